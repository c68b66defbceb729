"""The component `dashboard` through the whole command, once for each class of outcome."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kit.browser import processes_with
from tests.kit.dashboard import DashboardServer, configure
from tests.kit.projects import npm, write
from tests.kit.runs import PASSWORD, Run, run_components
from tests.kit.sharing import shared_folder

CALM = (
    *("dashboard.cadence=5000:9000", "dashboard.jitter.p95=5000:9000"),
    *("dashboard.response.p95=5000:9000", "dashboard.response_fresh.p95=5000:9000"),
    *("dashboard.websocket.p95=5000:9000", "dashboard.message.p95=5000:9000"),
    *("dashboard.frame.p95=5000:9000", "dashboard.fps=0.2:0.1"),
)
"""Limits that a busy test machine keeps."""

WITHOUT_BROWSER = ("-k", "not browser")
Check = Callable[..., Run]

SERVER = """
const page = `<!doctype html><link rel="icon" href="data:,"><title>Fleet</title><script>
  const socket = new WebSocket("ws://" + location.host + "/socket.io/?EIO=4&transport=websocket");
  socket.onmessage = ({ data }) => { document.title = data; };</script>`;
const server = require("node:http").createServer((request, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end(page);
});
const io = new (require("socket.io").Server)(server, { pingInterval: 500, pingTimeout: 2000 });
io.on("connection", (socket) => socket.on("ask", (number) => socket.emit("answer", number)));
setInterval(() => io.emit("metrics", {}), 100);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""


def install(folder: Path) -> None:
    """Make an application with a server of Socket.IO."""
    write(folder, {"server.js": SERVER}, name="board", version="1.0.0")
    npm(folder, "install", "--ignore-scripts", "socket.io")


@pytest.fixture
def node_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a real server with Socket.IO, and return its host and port."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder = shared_folder(tmp_path_factory, "dashboard-server", install)
    with subprocess.Popen(["node", "server.js"], cwd=folder, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"
        process.kill()


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Return a function that runs the component's checks on the server at `place`."""

    def run(place: str, *args: str, env: dict[str, str] | None = None, **settings: object) -> Run:
        usual = {"update_interval": "100 ms", "requests": 20, "timeout": "20 s"}
        urls = {"url": f"http://{place}/", "websocket": f"ws://{place}/ws"}
        configure(tmp_path, **{**urls, **usual, **settings})
        limits = [f"--health-threshold={limit}" for limit in CALM]
        return run_components(tmp_path, "dashboard", args=(*limits, *args), env=env)

    return run


def test_a_dashboard_with_socket_io_passes_every_check_and_no_browser_is_left(
    node_server: str, check: Check
) -> None:
    # Not tmp_path, which is longer than the path of a Unix socket may be.
    with tempfile.TemporaryDirectory(prefix="fh-") as temporary:
        run = check(
            node_server,
            env={"TMPDIR": temporary},
            websocket=f"ws://{node_server}/socket.io/?EIO=4&transport=websocket",
            message={"send": '42["ask",{id}]', "reply": '42["answer",{id}]'},
            update='"metrics"',
            connections={"open": 50, "hold": "0.2 s"},
            # Longer than the interval and the timeout of the server's own pings together: they
            # must be answered.
            window="3 s",
        )
        assert processes_with(temporary) == []
        assert list(Path(temporary).glob("flowhealth-*")) == []
    names = ("page", "response", "websocket", "message", "updates", "capacity")
    assert {run.outcomes[f"dashboard.{name}"] for name in names} == {"pass"}, run.text
    figures = {
        one["name"] for name in names for one in run.check(f"dashboard.{name}")["measurements"]
    }
    assert figures == {
        *("response", "response_fresh", "transfer", "websocket", "handshake", "message"),
        *("update_interval", "cadence", "jitter", "traffic", "held"),
    }
    assert "dashboard.websocket.p95" in run.out
    browser = run.check("dashboard.browser")
    if browser["outcome"] != "skip":
        assert {one["name"] for one in browser["measurements"]} == {"frame", "fps"}
        assert "without a screen" in browser["details"]["screen"]
        assert browser["details"]["console_errors"] == []


def test_limits_that_are_passed_and_connections_that_are_refused_fail_their_checks(
    server: DashboardServer, check: Check
) -> None:
    place = server.plan(delays=[0.03], updates=[0.2], most=10)
    run = check(
        place,
        *WITHOUT_BROWSER,
        *("--health-threshold", "dashboard.response.p95=5:10"),
        *("--health-threshold", "dashboard.cadence=10:50"),
        connections={"open": 15, "hold": "0.2 s"},
    )
    assert run.exit_code == 2, run.text
    says = {
        "dashboard.response": "response.p95",
        "dashboard.updates": "cadence",
        "dashboard.capacity": "10 of 15 connections were opened, 10 stayed: the server refuses",
    }
    for check_id, words in says.items():
        assert run.check(check_id)["outcome"] == "fail"
        assert words in run.check(check_id)["message"]
    assert run.outcomes["dashboard.websocket"] == "pass"


def test_a_page_that_nobody_serves_blocks_the_other_checks(check: Check) -> None:
    run = check("127.0.0.1:1")
    run.assert_fault(
        "dashboard.page",
        2,
        "can't be reached: Connection refused",
        blocked=("dashboard.response", "dashboard.websocket", "dashboard.browser"),
    )


def test_a_websocket_that_is_refused_blocks_what_needs_it_and_not_the_page(
    server: DashboardServer, check: Check
) -> None:
    run = check(server.plan(most=0), *WITHOUT_BROWSER)
    blocked = ("dashboard.message", "dashboard.updates", "dashboard.capacity")
    run.assert_fault("dashboard.websocket", 2, "/ws ", blocked=blocked)
    assert run.outcomes["dashboard.page"] == "pass"


def test_a_token_that_the_server_repeats_is_written_nowhere_and_one_that_is_not_set_is_unknown(
    server: DashboardServer, check: Check
) -> None:
    place = server.plan(secret="another")
    login = {"method": "bearer", "secret_env": "BOARD_TOKEN"}
    run = check(place, env={"BOARD_TOKEN": PASSWORD}, login=login)
    run.assert_fault("dashboard.page", 2, "responds with status 401")
    run = check(place, login=login)
    run.assert_fault("dashboard.page", 3, "BOARD_TOKEN")


def test_without_a_configured_dashboard_every_check_is_skipped_and_the_run_is_unknown(
    tmp_path: Path,
) -> None:
    run = run_components(tmp_path, "dashboard")
    assert (run.exit_code, set(run.outcomes.values())) == (3, {"skip"}), run.text

"""The component `dashboard` through the whole command, once for each class of outcome."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_flowhealth.probes.dashboard.watch import watch
from tests.kit.browser import processes_with
from tests.kit.dashboard import DashboardServer, MakeSite, configure
from tests.kit.runs import PASSWORD, Run, run_pytest
from tests.kit.sharing import shared_folder

CALM = (
    *("dashboard.cadence=5000:9000", "dashboard.jitter.p95=5000:9000"),
    *("dashboard.response.p95=5000:9000", "dashboard.response_fresh.p95=5000:9000"),
    *("dashboard.websocket.p95=5000:9000", "dashboard.message.p95=5000:9000"),
    *("dashboard.frame.p95=5000:9000", "dashboard.fps=0.2:0.1"),
)
"""Limits that a busy test machine keeps."""

WITHOUT_BROWSER = ("-k", "not browser")

SERVERS = """
const http = require("node:http");
const { WebSocketServer } = require("ws");
const page = `<!doctype html><link rel="icon" href="data:,"><title>Fleet</title><h1 id=at>-</h1><script>
  const socket = new WebSocket("ws://" + location.host + "/ws");
  socket.onmessage = ({ data }) => { at.textContent = data; };</script>`;
const server = http.createServer((request, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end(page);
});
if (process.argv[2] === "ws") {
  new WebSocketServer({ server, path: "/ws" }).on("connection", (socket) => {
    socket.on("message", () => socket.send("pong"));
    const timer = setInterval(() => socket.send("{}"), 100);
    socket.on("close", () => clearInterval(timer));
  });
} else {
  const io = new (require("socket.io").Server)(server, { pingInterval: 500, pingTimeout: 2000 });
  setInterval(() => io.emit("metrics", {}), 100);
}
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""


def install(folder: Path) -> None:
    """Make an application with both kinds of server."""
    folder.mkdir()
    (folder / "package.json").write_text('{"name": "board", "version": "1.0.0"}')
    (folder / "servers.js").write_text(SERVERS)
    argv = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "ws", "socket.io"]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True, timeout=300)


@pytest.fixture
def node_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], int]]:
    """Return a function that starts a real server with `ws` or `socket.io` and returns its port."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder = shared_folder(tmp_path_factory, "dashboard-servers", install)
    started = []

    def start(kind: str) -> int:
        argv = ["node", "servers.js", kind]
        process = subprocess.Popen(argv, cwd=folder, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return int(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., Run]:
    """Return a function that runs the component's checks on the server at `place`."""

    def run(place: str, *args: str, env: dict[str, str] | None = None, **settings: object) -> Run:
        usual = {"update_interval": "100 ms", "requests": 20, "timeout": "20 s"}
        urls = {"url": f"http://{place}/", "websocket": f"ws://{place}/ws"}
        configure(tmp_path, **urls, **{**usual, **settings})
        limits = [f"--health-threshold={limit}" for limit in CALM]
        words = ("--health", "--health-component", "dashboard")
        return run_pytest(tmp_path, *words, *limits, *args, env=env)

    return run


def test_a_dashboard_that_is_well_passes_every_check_and_no_browser_is_left(
    node_server: Callable[[str], int], check: Callable[..., Run]
) -> None:
    # Not tmp_path, which is longer than the path of a Unix socket may be.
    with tempfile.TemporaryDirectory(prefix="fh-") as temporary:
        run = check(
            f"127.0.0.1:{node_server('ws')}",
            env={"TMPDIR": temporary},
            message={"send": "ping", "reply": "pong"},
            connections={"open": 50, "hold": "0.2 s"},
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


def test_socket_io_counts_its_events_and_keeps_a_client_that_answers_its_pings(
    node_server: Callable[[str], int], make_site: MakeSite
) -> None:
    place = f"127.0.0.1:{node_server('socket.io')}"
    # The window is longer than the interval and the timeout of the server's own pings together.
    found = watch(
        make_site(
            url=f"http://{place}/",
            websocket=f"ws://{place}/socket.io/?EIO=4&transport=websocket",
            update='"metrics"',
            update_interval="100 ms",
            window="3 s",
            timeout="20 s",
        )
    )
    assert found.pings
    assert len(found.updates) > 5


def test_limits_that_are_passed_and_connections_that_are_refused_fail_their_checks(
    server: DashboardServer, check: Callable[..., Run]
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


def test_a_page_that_nobody_serves_blocks_the_other_checks(check: Callable[..., Run]) -> None:
    run = check("127.0.0.1:1")
    run.assert_fault(
        "dashboard.page",
        2,
        "can't be reached: Connection refused",
        blocked=("dashboard.response", "dashboard.websocket", "dashboard.browser"),
    )


def test_a_websocket_that_is_refused_blocks_what_needs_it_and_not_the_page(
    server: DashboardServer, check: Callable[..., Run]
) -> None:
    run = check(server.plan(most=0), *WITHOUT_BROWSER)
    blocked = ("dashboard.message", "dashboard.updates", "dashboard.capacity")
    run.assert_fault("dashboard.websocket", 2, "/ws ", blocked=blocked)
    assert run.outcomes["dashboard.page"] == "pass"


def test_a_token_that_the_server_repeats_is_written_nowhere_and_one_that_is_not_set_is_unknown(
    server: DashboardServer, check: Callable[..., Run]
) -> None:
    place = server.plan(secret="another")
    login = {"method": "bearer", "secret_env": "BOARD_TOKEN"}
    run = check(place, env={"BOARD_TOKEN": PASSWORD}, login=login)
    run.assert_fault("dashboard.page", 2, "answers with status 401")
    run = check(place, login=login)
    run.assert_fault("dashboard.page", 3, "BOARD_TOKEN")


def test_a_retry_measures_again(server: DashboardServer, check: Callable[..., Run]) -> None:
    limit = "--health-threshold=dashboard.websocket.p95=600:700"
    place = server.plan(slow_pings=100, updates=[0.1])
    # A check that follows keeps the fixture, and with it what was measured before.
    words = ("-k", "page or websocket or message")
    run = check(place, limit, *words, "--health-retry=60s", window="1 s")
    found = run.check("dashboard.websocket")
    assert found["outcome"] == "warn", run.text
    assert found["attempts"] >= 2
    assert "passed at attempt" in found["message"]


def test_without_a_configured_dashboard_every_check_is_skipped_and_the_run_is_unknown(
    tmp_path: Path,
) -> None:
    (tmp_path / "package.json").write_text('{"name": "board", "version": "1.0.0"}')
    run = run_pytest(tmp_path, "--health", "--health-component", "dashboard")
    assert (run.exit_code, set(run.outcomes.values())) == (3, {"skip"}), run.text

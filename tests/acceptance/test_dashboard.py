"""The dashboard, by the real command: real Node servers with `ws` and with Socket.IO, well and broken."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kit.runs import PASSWORD, Run, run_pytest

pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")

ONLY = ("--health", "--health-component", "dashboard")
CALM = ("dashboard.cadence=100:200", "dashboard.jitter.p95=100:200", "dashboard.fps=1:0.5")

SERVER = """
const http = require("node:http");
const page = "<!doctype html><title>Fleet</title><h1 id=at></h1>" +
  "<script>setInterval(() => { at.textContent = Date.now(); }, 100)</script>";
const fault = process.env.FAULT || "";
const server = http.createServer((request, response) => {
  if (fault === "token" && request.headers.authorization !== `Bearer ${process.env.TOKEN}`) {
    response.writeHead(401).end(request.headers.authorization);
  } else if (fault === "500") response.writeHead(500).end("oh");
  else if (fault === "hang") return;
  else if (fault === "half") {
    response.writeHead(200, { "Content-Length": 5000 });
    response.write(page);
    setTimeout(() => response.destroy(), 100);
  } else if (fault === "slow") setTimeout(() => response.end(page), 300);
  else response.end(page);
});
"""
WS = (
    SERVER
    + """
const { WebSocketServer } = require("ws");
const sockets = new WebSocketServer({ server, path: "/ws", autoPong: fault !== "mute" });
sockets.on("connection", (socket) => {
  const timer = setInterval(() => socket.send("{}"), fault === "lazy" ? 200 : 100);
  socket.on("close", () => clearInterval(timer));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""
)
SOCKET_IO = (
    SERVER
    + """
const io = new (require("socket.io").Server)(server, { pingInterval: 500, pingTimeout: 400 });
setInterval(() => io.emit("metrics", {}), 100);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""
)

Serve = Callable[..., int]
Check = Callable[..., Run]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install an application with both kinds of server."""
    folder = tmp_path_factory.mktemp("dashboard")
    (folder / "package.json").write_text('{"name": "board", "version": "1.0.0"}')
    (folder / "ws.js").write_text(WS)
    (folder / "socket-io.js").write_text(SOCKET_IO)
    argv = ["npm", "install", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved=true"]
    subprocess.run([*argv, "ws", "socket.io"], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def serve(project: Path) -> Iterator[Serve]:
    """Return a function that starts a server and returns its port."""
    started = []

    def start(script: str = "ws.js", **variables: str) -> int:
        process = subprocess.Popen(
            ["node", script],
            cwd=project,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        return int(process.stdout.readline())

    yield start
    for process in started:
        process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.fixture
def check(project: Path) -> Check:
    """Return a function that runs the dashboard's checks on a server."""

    def run(
        port: int, path: str = "ws", *args: str, env: dict[str, str] | None = None, **more: object
    ) -> Run:
        settings = {
            "url": f"http://127.0.0.1:{port}/",
            "websocket": f"ws://127.0.0.1:{port}/{path}",
            "update_interval": "100 ms",
            "requests": 20,
            "timeout": "1 s",
            **more,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        (project / "flowhealth.toml").write_text("\n".join(["[dashboard]", *lines]) + "\n")
        limits = [word for one in CALM for word in ("--health-threshold", one)]
        return run_pytest(project, *ONLY, *limits, *args, env=env or {})

    return run


def test_a_server_that_is_well(serve: Serve, check: Check) -> None:
    run = check(serve())

    names = ("page", "response", "websocket", "updates")
    assert {run.outcomes[f"dashboard.{name}"] for name in names} == {"pass"}, run.text
    assert run.outcomes["dashboard.browser"] in {"pass", "warn", "skip"}
    assert "dashboard.websocket.p95" in run.out


def test_socket_io_over_its_websocket(serve: Serve, check: Check) -> None:
    path = "socket.io/?EIO=4&transport=websocket"
    run = check(serve("socket-io.js"), path, window="3 s", update='"metrics"')

    assert run.outcomes["dashboard.websocket"] == "pass", run.text
    # Longer than its pingTimeout: it keeps who answers its own pings.
    assert run.outcomes["dashboard.updates"] == "pass", run.text


@pytest.mark.parametrize(
    ("fault", "root", "says"),
    [
        ("500", "dashboard.page", "answers with status 500"),
        ("hang", "dashboard.page", "gives no whole answer within 1 s"),
        ("half", "dashboard.page", "breaks off its answer"),
        ("mute", "dashboard.websocket", "got no answer within 1 s"),
        ("slow", "dashboard.response", "response"),
    ],
)
def test_a_server_that_is_broken(
    serve: Serve, check: Check, fault: str, root: str, says: str
) -> None:
    limits = ("--health-threshold", "dashboard.response.p95=50:100")
    run = check(serve(FAULT=fault), "ws", *limits)
    run.assert_fault(root, 2, says)


def test_updates_that_come_half_as_often(serve: Serve, check: Check) -> None:
    limits = ("--health-threshold", "dashboard.cadence=10:50")
    run = check(serve(FAULT="lazy"), "ws", *limits)
    run.assert_fault("dashboard.updates", 2, "cadence")


def test_nobody_listens(check: Check) -> None:
    run = check(1)
    run.assert_fault(
        "dashboard.page",
        2,
        "can't be reached: Connection refused",
        blocked=("dashboard.response", "dashboard.websocket", "dashboard.browser"),
    )


def test_a_token_is_told_nowhere(serve: Serve, check: Check) -> None:
    port = serve(FAULT="token", TOKEN=PASSWORD)
    login = {"login.method": "bearer", "login.secret_env": "BOARD_TOKEN"}

    run = check(port, env={"BOARD_TOKEN": PASSWORD}, **login)
    assert run.outcomes["dashboard.page"] == "pass", run.text
    run = check(port, env={"BOARD_TOKEN": f"{PASSWORD}-not"}, **login)
    run.assert_fault("dashboard.page", 2, "answers with status 401")
    run = check(port, **login)
    run.assert_fault("dashboard.page", 3, "BOARD_TOKEN")


def test_nothing_is_configured(project: Path) -> None:
    (project / "flowhealth.toml").write_text("")
    run = run_pytest(project, *ONLY, env={})
    assert (run.exit_code, set(run.outcomes.values())) == (3, {"skip"}), run.text

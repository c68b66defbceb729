"""The live half of the dashboard, by the real command: held connections, retries, log-in, a busy page."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.kit.runs import PASSWORD, Run, run_pytest

pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")

ONLY = ("--health", "--health-component", "dashboard")
CALM = ("dashboard.cadence=100:200", "dashboard.jitter.p95=100:200", "dashboard.fps=1:0.5")
CALMER = ("dashboard.frame.p95=500:5000", "dashboard.response.p95=2000:5000")

SERVER = """
const http = require("node:http");
const { WebSocketServer } = require("ws");
const env = process.env;
const busy = env.BUSY ? "setInterval(() => { const e = performance.now() + 150; " +
  "while (performance.now() < e); }, 160);" : "";
const server = http.createServer((request, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end(`<!doctype html><link rel="icon" href="data:,"><title>Fleet</title><h1 id=at>-</h1><script>
    const socket = new WebSocket("ws://" + location.host + "/ws");
    socket.onmessage = ({ data }) => { at.textContent = data; };
    ${busy}</script>`);
});
const sockets = new WebSocketServer({ noServer: true });
let open = 0;
server.on("upgrade", (request, socket, head) => {
  const refuse = (status) => socket.end(`HTTP/1.1 ${status} x\\r\\nContent-Length: 0\\r\\n\\r\\n`);
  if (env.DOWN) return socket.destroy();
  if (env.TOKEN && request.headers.authorization !== `Bearer ${env.TOKEN}`) return refuse(401);
  if (open >= Number(env.MOST || 10000)) return refuse(503);
  if (env.AWAY) return socket.end(`HTTP/1.1 302 x\\r\\nLocation: ${env.AWAY}\\r\\nContent-Length: 0\\r\\n\\r\\n`);
  began ||= Date.now();
  sockets.handleUpgrade(request, socket, head, (client) => {
    open += 1;
    client.send("welcome");
    client.on("error", () => {});
    client.on("message", (text) => client.send("pong"));
    const timer = setInterval(() => client.send("{}"), 100);
    client.on("close", () => { open -= 1; clearInterval(timer); });
    // For those that ask first it is slow, as a server that has just started is.
    if (env.WARMS && Date.now() < began + Number(env.WARMS)) {
      const emit = client._receiver.emit.bind(client._receiver);
      client._receiver.emit = (name, ...rest) =>
        name === "ping" ? setTimeout(() => emit(name, ...rest), 400) : emit(name, ...rest);
    }
  });
});
let began = 0;
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""

Serve = Callable[..., int]
Check = Callable[..., Run]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install an application with a server."""
    folder = tmp_path_factory.mktemp("live")
    (folder / "package.json").write_text('{"name": "board", "version": "1.0.0"}')
    (folder / "server.js").write_text(SERVER)
    argv = ["npm", "install", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved=true"]
    subprocess.run([*argv, "ws"], cwd=folder, check=True, capture_output=True, timeout=300)
    return folder


@pytest.fixture
def serve(project: Path) -> Iterator[Serve]:
    """Return a function that starts the server and returns its port."""
    started = []

    def start(**variables: str) -> int:
        process = subprocess.Popen(
            ["node", "server.js"],
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
        process.kill()
        process.communicate()


@pytest.fixture
def check(project: Path) -> Check:
    """Return a function that runs the dashboard's checks on a server."""

    def run(port: int, *args: str, env: dict[str, str] | None = None, **more: object) -> Run:
        settings = {
            "url": f"http://127.0.0.1:{port}/",
            "websocket": f"ws://127.0.0.1:{port}/ws",
            "update_interval": "100 ms",
            "requests": 20,
            "timeout": "2 s",
            **more,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        (project / "flowhealth.toml").write_text("\n".join(["[dashboard]", *lines]) + "\n")
        limits = [f"--health-threshold={one}" for one in (*CALM, *CALMER)]
        return run_pytest(project, *ONLY, *limits, *args, env=env or {})

    return run


def figures(run: Run, check_id: str) -> set[str]:
    """Return the names of what a check measured."""
    return {one["name"] for one in run.check(check_id)["measurements"]}


def test_everything_that_is_live(serve: Serve, check: Check) -> None:
    more = {"connections.open": 1_000, "connections.hold": "1 s"}
    message = {"message.send": "ping", "message.reply": "pong"}
    run = check(serve(), **more, **message)

    names = ("page", "websocket", "message", "updates", "capacity")
    assert {run.outcomes[f"dashboard.{name}"] for name in names} == {"pass"}, run.text
    assert figures(run, "dashboard.websocket") == {"websocket", "handshake"}
    assert figures(run, "dashboard.updates") == {"update_interval", "cadence", "jitter", "traffic"}
    assert run.check("dashboard.updates")["details"]["told_on_connecting"] == 1
    held = run.check("dashboard.capacity")
    assert (held["measurements"][0]["name"], held["measurements"][0]["value"]) == ("held", 1_000)
    if run.outcomes["dashboard.browser"] != "skip":
        shown = run.check("dashboard.browser")
        assert figures(run, "dashboard.browser") == {"frame", "fps"}
        assert "without a screen" in shown["details"]["screen"]
        assert shown["details"]["console_errors"] == []
    assert not [one for one in psutil.process_iter(["name"]) if _is_ours(one)]


def _is_ours(process: psutil.Process) -> bool:
    """Tell whether a process is a browser that this test left behind."""
    try:
        return "flowhealth-" in " ".join(process.cmdline()) and "chrom" in process.name()
    except psutil.Error:
        return False


def test_a_page_that_is_well_and_a_websocket_that_is_down(serve: Serve, check: Check) -> None:
    run = check(serve(DOWN="1"))
    blocked = ("dashboard.message", "dashboard.updates", "dashboard.capacity")
    run.assert_fault("dashboard.websocket", 2, "/ws ", blocked=blocked)
    assert run.outcomes["dashboard.page"] == "pass"


def test_a_websocket_that_leads_elsewhere(serve: Serve, check: Check) -> None:
    run = check(serve(AWAY="ws://127.0.0.2:9/ws"))
    run.assert_fault("dashboard.websocket", 2, "redirects the WebSocket, which is not followed")


def test_a_websocket_that_wants_a_token(serve: Serve, check: Check) -> None:
    port = serve(TOKEN=PASSWORD)
    login = {"login.method": "bearer", "login.secret_env": "BOARD_TOKEN"}
    run = check(port, env={"BOARD_TOKEN": PASSWORD}, **login)
    assert run.outcomes["dashboard.websocket"] == "pass", run.text
    run = check(port)
    run.assert_fault("dashboard.websocket", 2, "refuses the WebSocket with status 401")


def test_a_server_that_is_full(serve: Serve, check: Check) -> None:
    run = check(serve(MOST="40"), **{"connections.open": 50, "connections.hold": "200 ms"})
    run.assert_fault(
        "dashboard.capacity", 2, "40 of 50 connections were opened, 40 stayed", "status 503"
    )


def test_a_retry_measures_again(serve: Serve, check: Check) -> None:
    limit = "--health-threshold=dashboard.websocket.p95=100:200"
    run = check(serve(WARMS="6000"), limit, "--health-retry=60s", requests=20, window="2.5 s")
    found = run.check("dashboard.websocket")
    assert found["outcome"] == "warn", run.text
    assert found["attempts"] >= 2
    assert "passed at attempt" in found["message"]


def test_a_page_that_keeps_the_browser_busy(serve: Serve, check: Check) -> None:
    run = check(serve(BUSY="1"), "--health-threshold=dashboard.frame.p95=34:100")
    if run.outcomes["dashboard.browser"] == "skip":
        pytest.skip("no browser")
    found = run.check("dashboard.browser")
    assert found["details"]["long_tasks_ms"]
    # On a machine that can't draw an empty page either, nobody can tell.
    told = found["outcome"] == "fail" or "too busy to tell" in found["message"]
    assert told, run.text

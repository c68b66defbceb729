"""The sources http, prometheus and command on real servers and real programs."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pytest_flowhealth.errors import NotApplicable, ProbeError, Unmeasured
from pytest_flowhealth.probes.fleet import figures
from pytest_flowhealth.probes.fleet.reading import read
from pytest_flowhealth.probes.fleet.sources.command import Command
from pytest_flowhealth.probes.fleet.sources.documents import at
from pytest_flowhealth.probes.fleet.sources.fetch import LARGEST, Place
from pytest_flowhealth.probes.fleet.sources.http import Http
from pytest_flowhealth.probes.fleet.sources.prometheus import Prometheus
from pytest_flowhealth.probes.fleet.utilisation import Fleet, Usage
from tests.kit.redis import tcp_server

OURS = {
    "agents": [
        {"id": "a", "state": "busy", "pid": 1, "host": "elsewhere"},
        {"id": "b", "state": "idle", "heartbeat": time.time()},
    ],
    "tasks": {"completed": 19, "failed": 1, "active": 1, "waiting": 4, "durations": [1, 2.5]},
    "swarms": [{"id": "s", "state": "completed", "confidence": 0.9}],
    "spawn_times": [1200, 900],
}
METRICS = """\
# HELP jobs_total Jobs.
# TYPE jobs_total counter
jobs_total{state="done",queue="a"} 60
jobs_total{state="done",queue="b \\"x\\", {y}"} 30 1795466126000
jobs_total{state="failed",queue="a"} 10
workers 4
workers_busy 3 # {trace_id="x"} 1
depth NaN
"""


class Server(http.server.ThreadingHTTPServer):
    """Answers as it is told, and keeps what was asked."""

    daemon_threads = True
    status = 200
    body = b""
    location = ""
    queries: Mapping[str, Any] = {}

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        body = self.server.body
        query = parse_qs(urlsplit(self.path).query).get("query")
        if query:
            body = json.dumps(self.server.queries[query[0]]).encode()
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def test_our_own_form_is_read(server: Server) -> None:
    server.body = json.dumps(OURS).encode()
    found = Http(Place(f"{server.url}/fleet", "tok"), {}).read()
    assert (found.agents.total, found.agents.busy) == (2, 1)
    done = figures.completion(found.tasks)
    assert done is not None
    assert done.percent == 95.0
    assert (found.tasks.waiting, found.tasks.durations) == (4, (1.0, 2.5))
    assert found.swarms is not None
    assert found.swarms[0].confidence == 0.9
    assert found.spawn_times == (1200.0, 900.0)
    assert (found.bad, found.never) == ((), {"working": "the JSON has no `working`"})
    assert server.asked == [("/fleet", "Bearer tok")]


def test_a_path_for_each_field(server: Server) -> None:
    body = {
        "stats": {"queues": [{"depth": 7}], "ok": 90, "bad": "10"},
        "crew": [{"name": "x", "mood": {"now": "Busy"}}, {"name": "y"}],
    }
    server.body = json.dumps(body).encode()
    fields = {
        "waiting": "stats.queues[0].depth",
        "completed": "stats.ok",
        "failed": "stats.bad",
        "agents": "crew",
        "agents.id": "name",
        "agents.state": "mood.now",
        "active": "stats.nothing",
    }
    found = Http(Place(server.url), fields).read()
    assert (found.tasks.waiting, found.tasks.completed, found.tasks.failed) == (7, 90, 10)
    assert [(one.id, one.state) for one in found.agents.members] == [("x", "busy"), ("y", None)]
    assert found.never["swarms"] == "fleet.fields names no `swarms`"
    assert found.bad == ("there is nothing at stats.nothing for `active`",)
    with pytest.raises(Unmeasured):
        found.known("active", found.tasks.active)
    with pytest.raises(NotApplicable):
        found.known("swarms", found.swarms)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a.b[1].c", 5), ("[0]", None), ("a.x", None), ("a.b[99999999999]", None)],
)
def test_paths(path: str, expected: object) -> None:
    found = at({"a": {"b": [0, {"c": 5}]}}, path)
    assert found == expected or expected is None


@pytest.mark.parametrize(
    "body",
    [
        {"agents": [{"pid": -1, "id": ["x"]}, 5, None]},
        {"agents": 1e40},
        {"tasks": {"completed": -1, "failed": 2.5}},
        {"tasks": {"durations": ["x", -1, None, 3]}},
        {"tasks": {"completed": "NaN"}},
        {"swarms": [{"confidence": 2}]},
        {"spawn_times": [{"a": 1}]},
        {"agents": [{"heartbeat": "soon"}]},
    ],
    ids=str,
)
def test_hostile_values_are_told(body: object, server: Server) -> None:
    server.body = json.dumps(body).encode()
    assert Http(Place(server.url), {}).read().bad


@pytest.mark.parametrize("body", [b"", b"<html>", b"NaN", b"5", b"[" * 100_000, b"\xff\x00"])
def test_what_is_no_json_is_told(body: bytes, server: Server) -> None:
    server.body = body
    with pytest.raises(ProbeError, match="JSON"):
        Http(Place(server.url), {}).read()


def test_errors_of_the_way_are_told_without_secrets(server: Server) -> None:
    server.status = 500
    with pytest.raises(ProbeError, match="status 500"):
        Http(Place(server.url), {}).read()
    server.status = 401
    with pytest.raises(ProbeError) as denied:
        Http(Place(f"{server.url}/x?key=geheim"), {}).read()
    assert "token_env" in str(denied.value.remedy)
    assert "geheim" not in f"{denied.value}{denied.value.remedy}"


def test_no_other_address_is_asked(server: Server) -> None:
    with Server() as other:
        thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.status, server.location = 302, other.url
        with pytest.raises(ProbeError, match="status 302"):
            Http(Place(server.url, "tok"), {}).read()
        other.shutdown()
        thread.join()
        assert other.asked == []


def test_too_much_is_told(server: Server) -> None:
    server.body = b" " * (LARGEST + 1)
    with pytest.raises(ProbeError, match="more than 4 MiB"):
        Http(Place(server.url), {}).read()


def test_a_server_that_is_down_drips_or_hangs_is_told() -> None:
    with pytest.raises(ProbeError, match="can't be reached: Connection refused"):
        Http(Place("http://127.0.0.1:1/"), {}).read()

    def drip(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(10_000)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not over.wait(0.1):
            connection.sendall(b" ")

    with (
        tcp_server(drip) as port,
        pytest.raises(ProbeError, match=r"no whole answer within 0\.5 s"),
    ):
        Http(Place(f"http://127.0.0.1:{port}/", timeout=0.5), {}).read()


def test_metrics_in_the_text_format_are_summed(server: Server) -> None:
    server.body = METRICS.encode()
    fields = {
        "completed": 'jobs_total{state="done"}',
        "failed": 'jobs_total{state="failed"}',
        "agents": "workers",
        "busy": "workers_busy",
        "waiting": "depth",
    }
    found = Prometheus(Place(f"{server.url}/metrics"), fields).read()
    assert (found.tasks.completed, found.tasks.failed) == (90, 10)
    assert (found.agents.total, found.agents.busy) == (4, 3)
    assert found.tasks.waiting is None
    assert found.bad == ("there is no metric depth for `waiting`",)
    assert "active" in found.never
    with pytest.raises(NotApplicable):
        Fleet(found)


@pytest.mark.parametrize(
    "body", [b"", b"<html></html>", b'{"a": 1}', b"\xff" * 100, b"x{y} = 1\n" * 1_000]
)
def test_what_holds_no_metrics_is_told(body: bytes, server: Server) -> None:
    server.body = body
    with pytest.raises(ProbeError, match="no metrics"):
        Prometheus(Place(server.url), {"agents": "workers"}).read()


def vector(*values: object) -> dict[str, Any]:
    result = [{"metric": {}, "value": [1, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def test_promql_is_asked(server: Server) -> None:
    server.queries = {
        "increase(done[1h])": vector("45.2", "45"),
        "failed": {"status": "success", "data": {"resultType": "scalar", "result": [1, "10"]}},
        "none": vector(),
        "odd": vector("NaN"),
    }
    fields = {
        "completed": "increase(done[1h])",
        "failed": "failed",
        "waiting": "none",
        "active": "odd",
    }
    found = Prometheus(Place(server.url), fields, promql=True).read()
    assert (found.tasks.completed, found.tasks.failed) == (90, 10)
    assert (found.tasks.waiting, found.tasks.active) == (None, None)
    assert len(found.bad) == 2
    assert server.asked[0][0].startswith("/api/v1/query?query=increase")


def test_a_query_that_fails_is_told(server: Server) -> None:
    server.queries = {"x(": {"status": "error", "error": "parse error"}}
    with pytest.raises(ProbeError, match="`agents` failed: parse error"):
        Prometheus(Place(server.url), {"agents": "x("}, promql=True).read()


@pytest.mark.parametrize("fields", [{}, {"nonsense": "x"}])
def test_fields_that_can_not_be_meant(fields: dict[str, str]) -> None:
    with pytest.raises(ProbeError, match=r"fleet\.fields"):
        Prometheus(Place("http://127.0.0.1:1"), fields)


def program(code: str, folder: Path, timeout: float = 20.0) -> Command:
    return Command((sys.executable, "-c", code), folder, {}, timeout=timeout)


def test_a_program_prints_the_snapshot(tmp_path: Path) -> None:
    found = program(f"print({json.dumps(json.dumps(OURS))})", tmp_path).read()
    assert found.agents.total == 2
    assert found.local


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import sys; sys.exit('no database')", "exit code 1: no database"),
        ("print('hello')", "is no JSON"),
        ("", "is no JSON"),
        ("while True: print('x' * 1000)", "gave no answer within"),
        ("import time; time.sleep(60)", "gave no answer within"),
    ],
)
def test_a_program_that_fails_is_told(code: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match=says):
        program(code, tmp_path, 1.0).read()


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="no `no-such-program`"):
        Command(("no-such-program",), tmp_path, {}).read()


BUSY = "import os, time\npid = os.fork()\nwhile True: pass"


def test_the_processes_of_agents_are_measured_with_their_children(tmp_path: Path) -> None:
    busy = subprocess.Popen([sys.executable, "-c", BUSY], start_new_session=True)
    try:
        time.sleep(0.3)
        agents = [{"id": "a", "state": "busy", "pid": busy.pid}, {"id": "b", "pid": 2**22 + 1}]
        text = json.dumps({"agents": agents})
        found = read(program(f"print({json.dumps(text)})", tmp_path), between=1.0)
    finally:
        os.killpg(busy.pid, 9)
        busy.wait()
    assert isinstance(found.usage, Usage)
    assert (found.usage.processes, found.usage.agents, found.usage.unseen) == (2, 1, 1)
    cores = len(os.sched_getaffinity(0))
    assert 0.1 < found.usage.cores <= cores + 0.1
    assert found.usage.percent <= 105


def test_a_number_that_belongs_to_a_younger_process_is_not_the_agents(tmp_path: Path) -> None:
    child = subprocess.Popen(["sleep", "30"])
    try:
        agents = [{"id": "a", "pid": child.pid, "heartbeat": time.time() - 3_600}]
        found = program(f"print({json.dumps(json.dumps({'agents': agents}))})", tmp_path).read()
        with pytest.raises(Unmeasured, match="no process"):
            Fleet(found)
    finally:
        child.kill()
        child.wait()


def test_agents_elsewhere_are_not_applicable(tmp_path: Path) -> None:
    agents = [{"id": "a", "pid": 1, "host": "another-machine"}]
    found = program(f"print({json.dumps(json.dumps({'agents': agents}))})", tmp_path).read()
    with pytest.raises(NotApplicable, match="this machine"):
        Fleet(found)

"""The sources http, prometheus and command on real servers and real programs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.fleet.sampling import read
from pytest_flowhealth.probes.fleet.sources.command import Command
from pytest_flowhealth.probes.fleet.sources.fetch import LARGEST, WebAddress
from pytest_flowhealth.probes.fleet.sources.http import HttpSource
from pytest_flowhealth.probes.fleet.sources.prometheus import Prometheus
from pytest_flowhealth.probes.fleet.utilisation import Usage
from tests.kit.http import HttpServer, Reply

FLEET = {"agents": 3, "tasks": {"waiting": 4}}


def page(place: WebAddress) -> HttpSource:
    return HttpSource(place, {})


def test_a_page_of_json_is_read_with_a_token() -> None:
    with HttpServer([Reply.of_json(FLEET)]) as server:
        found = page(WebAddress(f"{server.url}/fleet", "tok")).read()
    assert (found.agents.total, found.tasks.waiting, found.local) == (3, 4, True)
    (request,) = server.requests
    assert (request.target, request.headers["authorization"]) == ("/fleet", "Bearer tok")


def test_metrics_are_read_as_a_page_and_by_promql() -> None:
    with HttpServer([Reply(b"workers 4\n")]) as server:
        found = Prometheus(WebAddress(f"{server.url}/metrics"), {"agents": "workers"}).read()
    assert found.agents.total == 4
    data = {"resultType": "vector", "result": [{"metric": {}, "value": [1, "2"]}]}
    with HttpServer([Reply.of_json({"status": "success", "data": data})]) as server:
        found = Prometheus(WebAddress(server.url), {"agents": "sum(up[1h])"}, promql=True).read()
    assert found.agents.total == 2
    assert server.requests[0].path == "/api/v1/query"
    assert server.requests[0].query == {"query": "sum(up[1h])"}


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(b"x", 500), "status 500"),
        (Reply(b"x", 401), "status 401"),
        (Reply(b"hello"), "JSON"),
        (Reply(b" " * (LARGEST + 1)), "more than 4 MiB"),
        (Reply(b"{", fault="drip"), r"no whole answer within 0\.5 s"),
        (Reply(fault="hang"), r"no whole answer within 0\.5 s"),
        (Reply(b"{}", fault="cut"), "can't be reached"),
        (Reply(fault="close"), "can't be reached"),
    ],
    ids=["500", "401", "text", "huge", "drip", "hang", "cut", "close"],
)
def test_an_answer_that_is_none_is_told_without_secrets(reply: Reply, says: str) -> None:
    timeout = 0.5 if reply.fault in {"drip", "hang"} else 10.0
    with HttpServer([reply]) as server, pytest.raises(CheckFailed, match=says) as caught:
        page(WebAddress(f"{server.url}/x?key=geheim", "tok", timeout)).read()
    assert "geheim" not in f"{caught.value}{caught.value.remedy}"
    if reply.status == 401:
        assert "token_env" in str(caught.value.remedy)


def test_no_other_address_is_asked() -> None:
    with HttpServer() as other, HttpServer([Reply(b"", 302, {"location": other.url})]) as server:
        with pytest.raises(CheckFailed, match="status 302"):
            page(WebAddress(server.url, "tok")).read()
        assert other.requests == []


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("sh", "-c", "echo no database >&2; exit 1"), "exit code 1: no database"),
        (("true",), "is no JSON"),
        (("yes",), "gave no answer within"),
        (("sleep", "60"), "gave no answer within"),
        (("no-such-program",), "no `no-such-program`"),
    ],
)
def test_a_program_that_fails_is_told(argv: tuple[str, ...], says: str, tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=says):
        Command(argv, tmp_path, {}, timeout=0.5 if "within" in says else 20.0).read()


def test_the_processes_of_agents_are_measured_with_their_children(tmp_path: Path) -> None:
    code = "import os; print(os.fork() and 'ready', flush=True)\nwhile True: pass"
    busy = subprocess.Popen(
        [sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE
    )
    try:
        assert busy.stdout is not None
        busy.stdout.readline()
        agents = [{"id": "a", "state": "busy", "pid": busy.pid}, {"id": "b", "pid": 2**22 + 1}]
        text = json.dumps({"agents": agents})
        found = read(Command(("echo", text), tmp_path, {}), between=0.3)
    finally:
        os.killpg(busy.pid, 9)
        busy.communicate()
    assert found.last.local
    assert isinstance(found.usage, Usage)
    assert (found.usage.processes, found.usage.agents, found.usage.unseen) == (2, 1, 1)
    assert found.usage.cores > 0
    share = 100 * found.usage.cores / len(os.sched_getaffinity(0))
    assert found.usage.cpu.percent > 0.99 * share

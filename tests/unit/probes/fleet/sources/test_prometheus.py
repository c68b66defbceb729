"""Metrics in the text format, and answers to PromQL."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pytest_flowhealth.errors import CheckFailed, NotApplicable
from pytest_flowhealth.probes.fleet.snapshot import Snapshot
from pytest_flowhealth.probes.fleet.sources import prometheus
from pytest_flowhealth.probes.fleet.sources.fetch import WebAddress
from pytest_flowhealth.probes.fleet.sources.prometheus import Prometheus
from pytest_flowhealth.probes.fleet.utilisation import ProcessMeter

METRICS = """\
# HELP jobs_total Jobs.
# TYPE jobs_total counter
jobs_total{state="done",queue="a"} 60
jobs_total{state="done",queue="b \\"x\\", {y}"} 30 1795466126000
jobs_total{state="failed",queue="a"} 10
workers 4
workers_busy 3 # {trace_id="x"} 1
depth NaN
depth x
"""
Read = Callable[..., Snapshot]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Return a function that reads metrics from this text, or from these answers by query."""

    def run(answer: bytes | Mapping[str, Any], fields: Mapping[str, str]) -> Snapshot:
        def fetch(
            _: WebAddress, path: str = "", parameters: Mapping[str, str] | None = None
        ) -> bytes:
            if isinstance(answer, bytes):
                return answer
            assert path == "/api/v1/query"
            return json.dumps(answer[(parameters or {})["query"]]).encode()

        monkeypatch.setattr(prometheus, "fetch", fetch)
        promql = not isinstance(answer, bytes)
        return Prometheus(WebAddress("http://127.0.0.1:1"), fields, promql=promql).read()

    return run


def test_samples_of_a_metric_are_summed(read: Read) -> None:
    fields = {
        "completed": 'jobs_total{state="done"}',
        "failed": 'jobs_total{state="failed"}',
        "agents": "workers",
        "busy": "workers_busy",
        "waiting": "depth",
    }
    found = read(METRICS.encode(), fields)
    assert (found.tasks.completed, found.tasks.failed) == (90, 10)
    assert (found.agents.total, found.agents.busy) == (4, 3)
    assert found.tasks.waiting is None
    assert found.bad == ("a line is no metric: depth x", "there is no metric depth for `waiting`")
    assert "active" in found.never
    with pytest.raises(NotApplicable):
        ProcessMeter(found)


@pytest.mark.parametrize(
    "text", [b"", b"<html></html>", b"\xff" * 100, b"x{y} = 1\n" * 1_000], ids=range(4)
)
def test_what_holds_no_metrics_is_told(read: Read, text: bytes) -> None:
    with pytest.raises(CheckFailed, match="no metrics"):
        read(text, {"agents": "workers"})


@pytest.mark.parametrize("metric", ["", "a b", "a{b}", 'a{b="c"', "rate(a[1h])"])
def test_what_names_no_metric_is_told(read: Read, metric: str) -> None:
    with pytest.raises(CheckFailed, match=r"fleet\.fields\.agents is no metric"):
        read(METRICS.encode(), {"agents": metric})


def vector(*values: object) -> dict[str, Any]:
    result = [{"metric": {}, "value": [1, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def test_a_vector_is_summed_and_a_scalar_is_taken(read: Read) -> None:
    scalar = {"status": "success", "data": {"resultType": "scalar", "result": [1, "10"]}}
    answers = {"increase(done[1h])": vector("45.2", "45"), "failed": scalar}
    answers |= {"none": vector(), "odd": vector("NaN"), "matrix": {**scalar, "data": 5}}
    fields = {"completed": "increase(done[1h])", "failed": "failed", "waiting": "none"}
    fields |= {"active": "odd", "delayed": "matrix"}
    found = read(answers, fields)
    assert (found.tasks.completed, found.tasks.failed) == (90, 10)
    assert (found.tasks.waiting, found.tasks.active, found.tasks.delayed) == (None, None, None)
    assert len(found.bad) == 3


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"status": "error", "error": "parse error"}, "`agents` failed: parse error"),
        ([], "is no Prometheus server"),
    ],
)
def test_a_query_that_fails_is_told(read: Read, answer: object, says: str) -> None:
    with pytest.raises(CheckFailed, match=says):
        read({"x(": answer}, {"agents": "x("})

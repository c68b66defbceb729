"""What the API answers: reports, silences, queries and bodies that are wrong, a history that is gone."""

import gzip
import json
import re
import sqlite3
import time
from contextlib import closing

import msgspec
import pytest

from pytest_flowhealth.alerts import store
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.history.remote.promql_client import ReportingHost
from pytest_flowhealth.monitor import history_writer
from pytest_flowhealth.web import history_queries
from pytest_flowhealth.web.app import STATIC
from pytest_flowhealth.web.history_queries import SILENCES, SILENT
from pytest_flowhealth.web.monitor_snapshot import QUIET
from pytest_flowhealth.web.request_body import LARGEST
from tests.kit.reports import HEALTHY
from tests.kit.web_app import WebApp

SILENCE = {"pattern": "own.*", "seconds": 60}


def test_every_described_endpoint_is_there_and_every_reference_is_defined(app: WebApp) -> None:
    app.show()
    app.keep(HEALTHY)
    visitor = app.admin()
    described = visitor.get("/api/openapi.json").json

    assert described["openapi"] == "3.1.0"
    references = re.findall(r"#/components/schemas/([^\"]+)", json.dumps(described))
    assert {*references} <= described["components"]["schemas"].keys()
    for path, methods in described["paths"].items():
        for method in methods:
            status = visitor.request(method.upper(), path.replace("{id}", "x")).status
            assert status not in (405, 500), path
            absent = "404" in methods[method]["responses"] or path == "/api/reports"
            assert status != 404 or absent, path


def test_health_metrics_and_report_are_those_of_the_last_round(app: WebApp) -> None:
    visitor = app.visitor(token="both")
    assert visitor.get("/health").status == 503
    assert visitor.get("/api/report").status == 404
    assert visitor.get("/metrics").text == "# EOF\n"

    app.show(HEALTHY)
    health = visitor.get("/health")
    assert (health.status, health.headers["content-type"]) == (200, "application/health+json")
    figure = health.json["checks"]["app:latency"][0]
    assert (figure["observedValue"], figure["observedUnit"]) == (1.5, "ms")
    metrics = visitor.get("/metrics")
    assert metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert metrics.text.endswith("# EOF\n")
    assert "flowhealth_app_latency_seconds" in metrics.text
    report = visitor.get("/api/report").json["health"]
    assert [check["id"] for check in report["checks"]] == ["app.good"]


@pytest.mark.parametrize("how", ["no round ends", "it is stuck"])
def test_a_monitor_that_does_not_go_on_is_unknown_everywhere(app: WebApp, how: str) -> None:
    seen = {"taken": time.monotonic() - QUIET} if how == "it is stuck" else {"ends": False}
    app.show(HEALTHY, **seen)
    visitor = app.visitor(token="both")

    assert visitor.get("/livez").status == 503
    health = visitor.get("/health")
    assert (health.status, health.json["status"]) == (503, "fail")
    reason = "has not reported" if how == "it is stuck" else "no round has ended"
    assert reason in health.json["output"]
    assert re.search(r"(?m)^flowhealth_status\S* 3$", visitor.get("/metrics").text)
    assert visitor.get("/api/report").json["health"]["status"] == "unknown"
    assert visitor.get("/api/state").json["state"]["monitor"]["status"] == "unknown"
    app.show(msgspec.structs.replace(HEALTHY, status=Status.UNHEALTHY), **seen)
    assert visitor.get("/api/report").json["health"]["status"] == "unknown"


def test_a_silence_is_kept_noted_and_ended(app: WebApp) -> None:
    visitor = app.admin()
    made = visitor.change("/api/silences", {**SILENCE, "reason": "work\nat night"})
    assert made.status == 201, made.text
    name = made.json["id"]
    assert app.rows("SELECT id, pattern, author FROM silences") == [(name, "own.*", "admin")]
    assert app.noted("silenced") == [
        {"user": "admin", "address": "127.0.0.1", "alert": "own.*", "seconds": 60.0}
    ]
    assert [visitor.change(f"/api/silences/{name}", method="DELETE").status for _ in "12"] == [
        204,
        404,
    ]
    assert app.noted("silence ended") == [
        {"user": "admin", "address": "127.0.0.1", "silence": name}
    ]


def test_there_are_only_so_many_silences(app: WebApp) -> None:
    visitor = app.admin()
    visitor.change("/api/silences", SILENCE)
    with closing(sqlite3.connect(app.history)) as file, file:
        file.executemany(
            "INSERT INTO silences VALUES (?, 'x', 0, 1e12, '', '')",
            [(str(number),) for number in range(SILENCES - 1)],
        )
    response = visitor.change("/api/silences", SILENCE)
    assert response.status == 409
    assert "end some first" in response.json["error"]


def test_maintenance_is_planned_and_never_in_the_past(app: WebApp) -> None:
    visitor = app.admin()
    now = time.time()
    begins = [now + 60, now + 3_660]
    made = visitor.change("/api/silences", {**SILENCE, "begins": begins})
    assert (made.status, made.json["maintenance"]) == (201, True)
    assert app.rows("SELECT begins, ends - begins FROM silences ORDER BY begins") == [
        (begin, pytest.approx(60.0)) for begin in begins
    ]
    refused = visitor.change("/api/silences", {**SILENCE, "begins": [now - 3_600]})
    assert refused.status == 400
    assert "in the past" in refused.json["error"]
    assert visitor.change("/api/silences", {**SILENCE, "begins": [now] * 61}).status == 400


def test_an_acknowledgement_is_withdrawn_once(app: WebApp) -> None:
    app.keep(HEALTHY)
    app.show(firing=frozenset({"own.switch"}))
    visitor = app.admin()
    visitor.change("/api/acknowledgements", {"alert": "own.switch"})
    target = "/api/acknowledgements?alert=own.switch"
    assert [visitor.change(target, method="DELETE").status for _ in "12"] == [204, 404]
    with closing(sqlite3.connect(app.history)) as file:
        assert store.read_acknowledged(file) == {}
    assert app.noted("acknowledgement withdrawn")[0]["alert"] == "own.switch"


def test_only_an_alert_that_fires_is_acknowledged(app: WebApp) -> None:
    visitor = app.admin()
    app.keep(HEALTHY)
    app.show(HEALTHY, firing=frozenset({"own.switch"}))
    assert visitor.change("/api/acknowledgements", {"alert": "nothing"}).status == 404
    assert visitor.change("/api/acknowledgements", {"alert": "own.switch"}).status == 204
    with closing(sqlite3.connect(app.history)) as file:
        assert store.read_acknowledged(file) == {"own.switch": "admin"}
    assert app.noted("acknowledged")[0]["alert"] == "own.switch"


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"pattern": "", "seconds": 5},
        {"pattern": "x", "seconds": -5},
        {"pattern": "x", "seconds": 5, "more": 1},
        b"{broken",
        b"[" * 60_000,
    ],
)
def test_a_body_of_another_form_is_refused_and_not_repeated(app: WebApp, content: object) -> None:
    response = app.admin().change("/api/silences", content)
    assert response.status == 400
    assert "the body is invalid" in response.json["error"]


def test_a_large_or_compressed_body_is_refused(app: WebApp) -> None:
    visitor = app.visitor()
    assert visitor.change("/api/login", "x" * LARGEST).status == 413
    assert visitor.change("/api/login", {}, content_length="9" * 30).status == 413
    assert visitor.change("/api/login", {}, content_encoding="gzip").status == 415


@pytest.mark.parametrize(
    "query",
    [
        "series",
        "series?metric=a&since=x&until=2",
        "series?metric=a&since=5&until=2",
        "series?metric=a&since=nan&until=2",
        "runs?limit=99999999999999999",
        "events?since=-5",
    ],
)
def test_a_query_of_another_form_is_refused(app: WebApp, query: str) -> None:
    assert app.admin().get(f"/api/{query}").status == 400


def test_without_a_history_it_is_refused_with_the_reason(app: WebApp) -> None:
    visitor = app.admin()
    series = "/api/series?metric=app.latency&since=1&until=2"
    assert visitor.get(series).status == 503
    assert "there is no history" in visitor.get(series).json["error"]
    app.history.mkdir()
    assert visitor.get(series).status == 503
    refused = visitor.change("/api/silences", SILENCE)
    assert refused.status == 503
    assert "the history can't be written" in refused.json["error"]
    assert not app.noted("silenced")


def test_a_locked_history_can_be_read_and_names_the_lock_when_it_is_written(
    app: WebApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_writer, "CHANGE_WAIT", 0.05)
    app.keep(HEALTHY)
    visitor = app.admin()
    with closing(sqlite3.connect(app.history, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert len(visitor.get("/api/runs").json["runs"]) == 1
        refused = visitor.change("/api/silences", SILENCE)
        other.execute("ROLLBACK")
    assert refused.status == 503
    assert "write lock" in refused.json["error"]
    assert visitor.change("/api/silences", SILENCE).status == 201


@pytest.mark.parametrize(
    ("age", "status"), [(60.0, "degraded"), (SILENT, "degraded"), (SILENT + 1, "unknown")]
)
def test_a_host_that_fell_silent_is_unknown(age: float, status: str) -> None:
    host = ReportingHost("near", "shop", "near:shop", "degraded", 1_000_000.0 - age)
    assert history_queries._find_status(host, 1_000_000.0) == status
    assert (
        history_queries._find_status(msgspec.structs.replace(host, at=None), 1_000_000.0)
        == "unknown"
    )


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../page.py", "/static/%2e%2e/page.py", "/static/%252e%252e/page.py"),
        "/static//etc/passwd",
    ],
)
def test_no_path_leads_out_of_the_static_folder(app: WebApp, path: str) -> None:
    response = app.visitor().get(path)
    assert response.status == 404
    assert "import" not in response.text


@pytest.mark.parametrize("strange", ["epoch=x&since=1", "since=9e9", "epoch=&since=%00"])
def test_the_websocket_begins_with_the_changes_that_a_page_has_missed(
    app: WebApp, strange: str
) -> None:
    visitor = app.visitor(token="reader")
    app.show(HEALTHY)
    _, (first,) = visitor.listen("/api/live")
    app.show(msgspec.structs.replace(HEALTHY, status=Status.UNHEALTHY))

    _, (missed,) = visitor.listen(f"/api/live?epoch={first['epoch']}&since={first['seq']}")
    assert first["type"] == "snapshot"
    assert missed["set"]["monitor"]["status"] == "unhealthy"
    assert visitor.listen(f"/api/live?{strange}")[1][0]["type"] == "snapshot"


def test_all_that_a_first_load_could_need_is_small() -> None:
    files = [path.read_bytes() for path in STATIC.rglob("*") if path.is_file()]
    assert 5_000 < sum(len(gzip.compress(content)) for content in files) < 150_000

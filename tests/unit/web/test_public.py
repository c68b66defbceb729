"""What is open without a log-in: nothing by default, and names and statuses where the configuration opens it."""

import datetime
import re
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.domain.checks import PhaseOutcome
from pytest_flowhealth.domain.measurements import make_series
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.formats.badge import render_badge
from pytest_flowhealth.web.public import format_share
from tests.kit.reports import HOSTILE, judged, limit, reported
from tests.kit.web_app import WebApp, cheap_hash, web_app

PATHS = (
    "/status",
    "/badge/status.svg",
    "/badge/status/app.svg",
    "/badge/availability/app/24h.svg",
    "/badge/availability/app/90d.svg",
)
USERS = f'[web]\nusers = {{ admin = "{cheap_hash()}" }}\n'
EVERYTHING = f'{USERS}public = ["status", "badge"]\n'


def secretive(message: str = "connect to 10.9.8.7:6379 refused at /srv/app/queue.js") -> Report:
    """Return a report with a message, a remedy, figures, a path and a host."""
    check = judged(
        "app.queue",
        make_series("waiting", 4711.25, "ms"),
        thresholds=(limit("waiting", "ms", warn=815, fail=2342),),
        ending=PhaseOutcome.FAILED,
        message=message,
        remedy="systemctl restart queue-worker",
    )
    found = reported([check])
    return msgspec.structs.replace(found, started=datetime.datetime.now(datetime.UTC))


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_public_by_default(app: WebApp, path: str) -> None:
    report = secretive()
    app.keep(report)
    app.show(report)
    response = app.visitor().get(path)
    assert response.status == 404
    assert "app.queue" not in response.text


@pytest.mark.parametrize(
    ("public", "opened"), [("status", PATHS[:1]), ("badge", PATHS[1:]), ("", ())]
)
def test_each_part_is_opened_for_itself(tmp_path: Path, public: str, opened: tuple[str]) -> None:
    names = f'["{public}"]' if public else "[]"
    with web_app(tmp_path / "app", f"{USERS}public = {names}\n") as app:
        app.keep(secretive())
        app.show(secretive())
        answers = {path: app.visitor().get(path).status for path in PATHS}
        assert answers == {path: 200 if path in opened else 404 for path in PATHS}
        assert app.visitor().get("/api/state").status == 401


def test_it_reveals_names_and_statuses_and_no_message_path_host_or_figure(tmp_path: Path) -> None:
    report = secretive()
    secrets = {"10.9.8.7", "6379", "queue", "/srv", "systemctl", "4711", "815", "2342", "waiting"}
    secrets |= {report.host.name, str(tmp_path), report.target.path, "host-a"}
    with web_app(tmp_path / "app", EVERYTHING) as app:
        app.keep(report)
        app.show(report)
        for path in PATHS:
            response = app.visitor().get(path)
            assert response.status == 200, path
            # Sizes, colors and namespaces are markup: the texts and names are what is revealed.
            texts = re.sub(r"<[^>]*>", " ", response.text) + " ".join(
                re.findall(r'(?:aria-label|data-\w+)="([^"]*)"', response.text)
            )
            whole = response.text + str(response.headers)
            for secret in secrets:
                assert secret not in whole, (path, secret)
            figures = set(re.findall(r"\d[\d.]*", texts))
            assert figures <= {"24", "90", "0.00"}, path
        assert "unhealthy" in app.visitor().get("/status").text
        assert "app: unhealthy" in app.visitor().get("/badge/status/app.svg").text


def test_it_is_unknown_before_the_first_round_and_when_the_monitor_is_silent(
    tmp_path: Path,
) -> None:
    with web_app(tmp_path / "app", EVERYTHING) as app:
        assert "shop: unknown" in app.visitor().get("/badge/status.svg").text
        assert "unknown" in app.visitor().get("/status").text
        assert app.visitor().get("/badge/status/app.svg").status == 404
        healthy = reported([judged("app.good")])
        app.show(healthy)
        assert "app: healthy" in app.visitor().get("/badge/status/app.svg").text
        app.show(healthy, ends=False)
        assert "app: unknown" in app.visitor().get("/badge/status/app.svg").text
        assert "healthy" not in app.visitor().get("/status").text


def test_a_badge_can_be_shown_by_other_sites_and_is_asked_for_each_time(tmp_path: Path) -> None:
    with web_app(tmp_path / "app", EVERYTHING) as app:
        headers = app.visitor().get("/badge/status.svg").headers
        assert headers["content-type"] == "image/svg+xml"
        assert headers["cache-control"] == "no-cache"
        assert headers["cross-origin-resource-policy"] == "cross-origin"
        assert "default-src 'none'" in headers["content-security-policy"]
        page = app.visitor().get("/status").headers
        assert page["cross-origin-resource-policy"] == "same-origin"


def test_an_unknown_component_or_period_is_not_there(tmp_path: Path) -> None:
    with web_app(tmp_path / "app", EVERYTHING) as app:
        app.keep(secretive())
        app.show(secretive())
        for path in ("status/other.svg", "availability/app/2h.svg", "availability/other/24h.svg"):
            assert app.visitor().get(f"/badge/{path}").status == 404, path


def test_hostile_names_stay_texts(tmp_path: Path) -> None:
    hostile = HOSTILE.replace("\ud800", "")
    with web_app(tmp_path / "app", EVERYTHING) as app:
        glimpse = msgspec.structs.replace(app.api.snapshot, target=hostile)
        app.api.snapshot = glimpse
        for path in ("/status", "/badge/status.svg"):
            assert "<script>alert" not in app.visitor().get(path).text
    assert "<script>alert" not in render_badge(hostile, hostile, "#000")


@pytest.mark.parametrize(
    ("share", "text"),
    [(100.0, "100 %"), (99.9999, "99.99 %"), (0.0, "0.00 %"), (None, "not measured")],
)
def test_a_share_is_never_rounded_up(share: float | None, text: str) -> None:
    assert format_share(share) == text


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected 'status' or 'badge'"):
        WebApp(tmp_path / "app", '[web]\npublic = ["everything"]\n')

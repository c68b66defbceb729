"""The checks of the npm package: what warns, fails or is unknown, and what the score is made of."""

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.fernet import Fernet

from checks import test_npm as checks
from pytest_flowhealth.alerts.recent_readings import Reading, RecentReadings
from pytest_flowhealth.alerts.rules import judge, make_conditions
from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.history.recording import open_history
from pytest_flowhealth.install_reports import store
from pytest_flowhealth.install_reports.encryption import ContextCipher
from pytest_flowhealth.install_reports.ingest import make_stored_report
from pytest_flowhealth.install_reports.report import InstallReport
from pytest_flowhealth.probes.registry import Advisory, Day, Downloads, Failure, Installed, Release
from pytest_flowhealth.probes.registry.downloads import summarise_downloads
from tests.kit.checks import assert_outcome, run_check
from tests.kit.projects import write

TODAY = date(2026, 11, 23)
RELEASE = Release(
    name="ms",
    registry="registry.example",
    latest="2.1.3",
    tags={"latest": "2.1.3"},
    versions=["1.0.0", "2.0.0", "2.1.3"],
    deprecated={},
    created=datetime(2011, 12, 21, tzinfo=UTC),
    released=datetime(2020, 12, 8, tzinfo=UTC),
    signatures=1,
    provenance=False,
    integrity=True,
)
VERSIONS = {"2.1.3": 70, "2.0.0": 20, "1.0.0": 10}
WORKS = Installed("ms@2.1.3", seconds=1.0, size=10_000, packages=1)
DOWN = MeasurementUnavailable("the downloads API answered with status 500 (4 attempts)")
ALL = {
    "npm_release": RELEASE,
    "npm_installed": WORKS,
    "npm_versions": VERSIONS,
    "npm_advisories": [],
}


def downloads(count: Any = lambda day: 200 if day.weekday() > 4 else 1_000) -> Downloads:
    days = [TODAY - timedelta(days=back) for back in range(59, 0, -1)]
    return summarise_downloads([Day(day, count(day)) for day in days], TODAY)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a checkout of the package; Node is not asked for its name."""
    monkeypatch.setattr(checks, "package_of", lambda *_: "ms")
    return write(tmp_path, name="ms", version="2.1.3")


def run(check: Any, project: Path, **answers: Any) -> CheckResult:
    return run_check(check, project, **{**ALL, "npm_days": downloads(), **answers})


def values(result: CheckResult) -> dict[str, Any]:
    return {each.name: each.value for each in result.measurements}


def test_a_published_package_passes_and_only_its_own_version_is_compared(project: Path) -> None:
    found = run(checks.test_published, project)
    assert_outcome(found, "pass")
    assert found.details["registry"] == "registry.example"
    assert found.details["version_here_is_published"] is True

    write(project, name="mine", private=True, version="0.1.0")
    found = run_check(checks.test_published, project, env={"FLOWHEALTH_NPM_PACKAGE": "ms"}, **ALL)
    assert_outcome(found, "pass")
    assert "version_here" not in found.details


@pytest.mark.parametrize(
    ("release", "version", "says"),
    [
        ({"deprecated": {"2.1.3": "use another"}}, "2.1.3", "2.1.3 is deprecated: use another"),
        ({}, "2.0.0", "package.json has version 2.0.0, and 2.1.3 is published"),
    ],
)
def test_a_deprecated_or_newer_published_version_warns(
    project: Path, release: dict[str, Any], version: str, says: str
) -> None:
    write(project, name="ms", version=version)
    changed = msgspec.structs.replace(RELEASE, is_older=version < "2.1.3", **release)
    assert_outcome(run(checks.test_published, project, npm_release=changed), "warn", says)


@pytest.mark.parametrize(
    ("installed", "says"),
    [
        (
            {"failure": Failure("E404", "b@^1 is not in the registry")},
            "ms@2.1.3 can't be installed: b@^1 is not in the registry",
        ),
        (
            {"broken": ("a: not today",)},
            "ms@2.1.3 installs, and does not work: ",
        ),
    ],
    ids=["failure", "broken"],
)
def test_an_installation_that_fails_or_does_not_work_fails(
    project: Path, installed: dict[str, Any], says: str
) -> None:
    assert_outcome(run(checks.test_installable, project), "pass")
    broken = msgspec.structs.replace(WORKS, **installed)
    found = run(checks.test_installable, project, npm_installed=broken)
    assert_outcome(found, "fail", says)


def test_downloads_are_measured_and_growth_of_more_than_a_few_is_judged(project: Path) -> None:
    found = run(checks.test_downloads, project)
    assert (found.outcome, values(found)["downloads_week"]) == ("pass", 5_400)

    halved = downloads(lambda day: 500 if day >= TODAY - timedelta(days=7) else 1_000)
    found = run(checks.test_growth, project, npm_days=halved)
    assert_outcome(found, "warn", "-50 %")

    found = run(checks.test_growth, project, npm_days=downloads(lambda _: 3))
    assert_outcome(found, "skip", "not judged: of 21 downloads a week that may be chance")
    assert values(found)["growth"] == 0


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (checks.test_published, "npm_release"),
        (checks.test_installable, "npm_installed"),
        (checks.test_downloads, "npm_days"),
        (checks.test_growth, "npm_days"),
        (checks.test_adoption, "npm_versions"),
        (checks.test_advisories, "npm_versions"),
        (checks.test_advisories, "npm_advisories"),
    ],
)
def test_what_was_not_answered_is_unknown_and_has_no_value(
    project: Path, check: Any, answer: str
) -> None:
    found = run(check, project, **{answer: DOWN})
    assert (found.outcome, found.message) == ("unknown", DOWN.message)
    assert values(found) == {}


def test_adoption_counts_deprecated_versions(project: Path) -> None:
    deprecated = {"2.1.3": "use another", "1.0.0": "old"}
    release = msgspec.structs.replace(RELEASE, deprecated=deprecated)
    found = run(checks.test_adoption, project, npm_release=release)
    expected = {"adoption": 70, "adoption_major": 90, "adoption_deprecated": 80}
    assert values(found) == expected


@pytest.mark.parametrize(
    ("advisory", "outcome", "share"),
    [
        (Advisory("high", "A fault", "*", [*VERSIONS]), "warn", 100),
        (Advisory("critical", "A fault", ">=2.1.0", ["2.1.3"]), "warn", 70),
        (Advisory("moderate", "A fault", "*", [*VERSIONS]), "pass", 100),
        (Advisory("critical", "A fault", "<2.0.0", ["1.0.0"]), "pass", 10),
    ],
)
def test_a_grave_advisory_of_the_latest_version_warns(
    project: Path, advisory: Advisory, outcome: str, share: float
) -> None:
    found = run(checks.test_advisories, project, npm_advisories=[advisory])
    assert_outcome(found, outcome)
    assert values(found)["adoption_vulnerable"] == share


def test_the_score_is_made_of_all_parts_and_warns_without_some(project: Path) -> None:
    found = run(checks.test_score, project)
    assert_outcome(found, "pass")
    expected = (35 * 100 + 10 * 100 + 10 * 90 + 200 * 10) / 75
    assert values(found)["score"] == pytest.approx(expected)
    assert found.details["not_measured"] == {}

    found = run(checks.test_score, project, npm_days=DOWN, npm_versions=DOWN)
    assert_outcome(found, "warn", "made of 1 of 6 parts, without growth", "status 500")
    assert {*found.details["parts"]} == {"installable"}
    missing = {"growth", "latest_major", "not_deprecated", "not_vulnerable"}
    assert {*found.details["not_measured"]} == missing


def store_reports(project: Path, succeeded: int, failed: int, age: float) -> None:
    """Put reports into the project's history, as a monitor's page does."""
    vault = ContextCipher(Fernet.generate_key().decode())
    ends = ["success"] * succeeded + ["failure"] * failed
    (project / ".flowhealth").mkdir()
    at = time.time() - age
    with open_history(project / ".flowhealth/history.db") as file:
        reports = [
            InstallReport(package="ms", node=f"{18 + place % 2}.0.0", outcome=outcome)  # type: ignore[arg-type]
            for place, outcome in enumerate(ends)
        ]
        store.add(
            file, [make_stored_report(each, store.make_id(), at, b"", vault) for each in reports]
        )


@pytest.mark.parametrize(
    ("succeeded", "failed", "age", "outcome", "fires"),
    [
        (19, 1, 60.0, "pass", False),
        (90, 10, 60.0, "warn", True),
        (70, 30, 60.0, "fail", True),
        (9, 10, 60.0, "skip", None),
        (70, 30, 8 * 86_400.0, "skip", None),
    ],
)
def test_install_success_and_its_alert_follow_the_reports_of_the_last_week(
    project: Path, succeeded: int, failed: int, age: float, outcome: str, fires: bool | None
) -> None:
    store_reports(project, succeeded, failed, age)
    found = run(checks.test_install_success, project)

    assert_outcome(found, outcome)
    if fires is None:
        assert values(found) == {}
        return
    share = 100 * failed / (succeeded + failed)
    assert values(found)["install_failures"] == pytest.approx(share)
    assert values(found)["install_success"] == pytest.approx(100 - share)
    assert found.details["succeeded"] == succeeded
    assert "Wilson" in found.details["success_between"]
    (rule,) = [each for each in make_conditions(()) if each.name == "highErrorRate"]
    series = RecentReadings()
    series.add("npm.install_failures", "%", Reading(0, (values(found)["install_failures"],)))
    (judged,) = judge(rule, series, 0, 0)
    assert judged.breached is fires

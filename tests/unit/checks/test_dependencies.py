"""The checks of the dependencies: what an audit and a list of newer versions are judged by."""

from pathlib import Path

import pytest

from checks import test_dependencies as checks
from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.project import (
    Audit,
    Behind,
    Deprecated,
    Installation,
    Lock,
    Outdated,
    Vulnerability,
)
from tests.kit.checks import assert_outcome, run_check
from tests.kit.projects import write, write_package

SEVERITIES = ("critical", "high", "moderate", "low", "info")
OLD = Deprecated("request", "2.88.2", "use another", direct=True)
DEEP = Deprecated("har-validator", "5.1.5", "gone", direct=False)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    write_package(tmp_path, dependencies={"ms": "^2"})
    return tmp_path


@pytest.mark.parametrize(
    ("severities", "fix", "outcome", "remedy"),
    [
        (("high",), "npm i a", "fail", "npm i a"),
        (("moderate",), "npm audit fix", "warn", "npm audit fix"),
        (("low",), None, "pass", None),
        (("low", "moderate", "critical"), None, "fail", None),
        ((), None, "pass", None),
    ],
)
def test_the_worst_severity_decides_and_the_fix_that_npm_has_is_the_remedy(
    app: Path, severities: tuple[str, ...], fix: str | None, outcome: str, remedy: str | None
) -> None:
    packages = [Vulnerability(f"p{one}", one, "*", ["A fault"], fix) for one in severities]
    counts = {one: severities.count(one) for one in SEVERITIES}

    result = run_check(checks.test_vulnerabilities, app, npm_audit=Audit(counts, packages))

    worst = next((one for one in SEVERITIES if one in severities and outcome != "pass"), "")
    assert_outcome(result, outcome, worst, remedy=remedy)
    assert {one.name: one.value for one in result.measurements} == {
        one: severities.count(one) for one in ("critical", "high", "moderate", "low")
    }


def test_an_audit_without_an_answer_is_unknown_and_degrades_only(app: Path) -> None:
    result = run_check(checks.test_audit, app, npm_audit=MeasurementUnavailable("status 405"))
    assert_outcome(result, "unknown", "status 405")
    assert (result.critical, result.status) == (False, "degraded")


@pytest.mark.parametrize("name", ["audit", "outdated"])
def test_what_is_switched_off_is_skipped(app: Path, name: str) -> None:
    write(app, {"flowhealth.toml": f"[dependencies]\n{name} = false\n"})
    result = run_check(getattr(checks, f"test_{name}"), app)
    assert_outcome(result, "skip", "switched off")


@pytest.mark.parametrize(
    ("behind", "unread", "outcome", "says", "remedy"),
    [
        ([], [], "pass", "", None),
        ([Behind("ms", "2.0.0", "2.1.3", "2.1.3", major=False)], [], "pass", "", None),
        ([Behind("ms", "2.0.0", "2.1.3", "3.0.0", major=True)], [], "warn", "", "npm install ms@3.0.0"),
        ([], ["@own/x"], "unknown", "nothing of @own/x", None),
    ],
)  # fmt: skip
def test_a_major_version_behind_warns_and_an_unread_package_is_unknown(
    app: Path, behind: list[Behind], unread: list[str], outcome: str, says: str, remedy: str | None
) -> None:
    result = run_check(checks.test_outdated, app, npm_outdated=Outdated(behind, [], unread, remedy))
    assert_outcome(result, outcome, says, remedy=remedy)


@pytest.mark.parametrize(
    ("asked", "noted", "outcome"),
    [([], [], "pass"), ([OLD], [], "warn"), ([], [OLD], "warn"), ([], [DEEP], "pass")],
)
def test_a_deprecated_direct_dependency_warns(
    app: Path, asked: list[Deprecated], noted: list[Deprecated], outcome: str
) -> None:
    lock = Lock("package-lock.json", 1, [], [], noted)
    found = Installation("npm", "package-lock.json", [], [], [], [], {}, lock, None)
    outdated = Outdated([], asked, [])
    result = run_check(checks.test_deprecated, app, npm_outdated=outdated, locked_packages=found)
    assert_outcome(result, outcome, "use another" if outcome == "warn" else "", remedy=None)

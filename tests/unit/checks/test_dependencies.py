"""The checks of the dependencies: what an audit and a list of newer versions are judged by."""

import json
from pathlib import Path

import pytest
from pytest_flowhealth.probes.npm import SEVERITIES, Audit, Vulnerable
from pytest_flowhealth.probes.outdated import Behind, Outdated

from checks import test_dependencies as checks
from pytest_flowhealth.errors import MeasurementUnavailable
from tests.kit.checks import assert_outcome, run_check
from tests.kit.projects import write, write_package


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
        (("low", "moderate", "critical"), None, "fail", "npm audit"),
        ((), None, "pass", None),
    ],
)
def test_the_worst_severity_decides_and_the_fix_that_npm_has_is_the_remedy(
    app: Path, severities: tuple[str, ...], fix: str | None, outcome: str, remedy: str | None
) -> None:
    packages = tuple(Vulnerable(f"p{one}", one, "*", ("A fault",), fix) for one in severities)
    counts = {one: severities.count(one) for one in SEVERITIES}

    result = run_check(checks.test_vulnerabilities, app, npm_audit=Audit(counts, packages))

    worst = next((one for one in SEVERITIES if one in severities and outcome != "pass"), "")
    assert_outcome(result, outcome, worst, remedy=remedy)
    assert {one.name: one.value for one in result.measurements} == {
        one: severities.count(one) for one in ("critical", "high", "moderate", "low")
    }
    assert [text.split(": ")[1] for text in result.details["packages"]] == list(severities)


def test_an_audit_without_an_answer_is_unknown_and_degrades_only(app: Path) -> None:
    result = run_check(checks.test_audit, app, npm_audit=MeasurementUnavailable("status 405"))
    assert_outcome(result, "unknown", "status 405")
    assert (result.critical, result.status) == (False, "degraded")


@pytest.mark.parametrize(
    ("files", "outcome", "says", "remedy"),
    [
        ({}, "unknown", "needs a lock file", "npm install --package-lock-only"),
        ({"pnpm-lock.yaml": ""}, "unknown", "pnpm's lock", "pnpm audit; or [dependencies] audit = false"),
        ({"flowhealth.toml": "[dependencies]\naudit = false\n"}, "skip", "switched off", None),
        ({"package.json": "{}"}, "skip", "no dependencies", None),
    ],
)  # fmt: skip
def test_an_audit_that_can_not_be_asked_says_why(
    app: Path, files: dict[str, str], outcome: str, says: str, remedy: str | None
) -> None:
    write(app, files)
    assert_outcome(run_check(checks.test_audit, app), outcome, says, remedy=remedy)


def test_a_major_version_behind_warns_with_the_command_that_installs_it(app: Path) -> None:
    behind = (
        Behind("minor", "1.0.0", "1.1.0", "1.1.0", major=False),
        Behind("odd", "6.0.0", "6.0.0", "7.0.0", major=True, alias="is-number"),
    )
    result = run_check(checks.test_outdated, app, npm_outdated=Outdated(behind, ()))
    remedy = "npm install odd@npm:is-number@latest"
    assert_outcome(result, "warn", "outdated_major 1", remedy=remedy)
    assert result.details["outdated"] == ["minor 1.0.0 -> 1.1.0", "odd 6.0.0 -> 7.0.0"]


def test_outdated_is_unknown_where_the_registry_has_no_answer_and_can_be_switched_off(
    app: Path,
) -> None:
    found = Outdated((), ("@x/y@^99.0.0", "b"))
    result = run_check(checks.test_outdated, app, npm_outdated=found)
    assert_outcome(result, "unknown", "@x/y@^99.0.0, b", remedy="npm view @x/y versions")
    write(app, {"flowhealth.toml": "[dependencies]\noutdated = false\n"})
    assert_outcome(run_check(checks.test_outdated, app), "skip", "switched off")


def test_a_direct_dependency_that_is_deprecated_warns(app: Path) -> None:
    entries = {
        "node_modules/ms": {"version": "2.0.0", "deprecated": "use s"},
        "node_modules/deep": {"version": "1.0.0", "deprecated": "old"},
    }
    write(app, {"package-lock.json": json.dumps({"lockfileVersion": 3, "packages": entries})})
    result = run_check(checks.test_deprecated, app)
    assert_outcome(result, "warn", "ms@2.0.0: use s", remedy="npm view ms deprecated")
    assert "deep" not in result.message
    assert len(result.details["deprecated"]) == 2

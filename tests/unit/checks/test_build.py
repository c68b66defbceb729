"""The checks of the build: which outcome and remedy each finding has."""

import os
from pathlib import Path
from typing import Any

import pytest

from checks import test_build as checks
from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes.build import Parsed
from tests.kit.checks import assert_outcome, run_check
from tests.kit.projects import change, write, write_package

BUILD = {"build": "cp -r src dist"}


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """Return a project with a build, whose artifact is there."""
    write_package(tmp_path, main="dist/index.js", scripts=BUILD)
    return write(tmp_path, {"src/index.js": "1", "dist/index.js": "1"})


def test_an_artifact_that_is_there_passes_and_one_older_than_its_source_warns(app: Path) -> None:
    assert_outcome(run_check(checks.test_artifacts, app), "pass")
    assert_outcome(run_check(checks.test_fresh, app), "pass")
    os.utime(app / "dist/index.js", (1_000_000_000, 1_000_000_000))
    says = "dist/index.js is older than src/index.js"
    assert_outcome(run_check(checks.test_fresh, app), "warn", says, remedy="npm run build")


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        ({}, "npm run build"),
        ({"packageManager": "pnpm@9.0.0"}, "pnpm run build"),
        ({"scripts": {}}, "create the file, or correct what names it in package.json"),
        ({"scripts": {}, "workspaces": ["a"]}, "npm run build --workspaces --if-present"),
    ],
)
def test_a_missing_artifact_fails_and_names_the_build_command(
    app: Path, fields: dict[str, Any], remedy: str
) -> None:
    change(app, **fields)
    write_package(app / "a", scripts=BUILD)
    (app / "dist/index.js").unlink()
    result = run_check(checks.test_artifacts, app)
    assert_outcome(result, "fail", "dist/index.js (main) is missing", remedy=remedy)


def test_configured_artifacts_replace_those_of_package_json(app: Path) -> None:
    write_package(app)
    assert_outcome(run_check(checks.test_artifacts, app), "skip", "promises no file")
    write_package(app, main="gone.js")
    write(app, {"flowhealth.toml": '[build]\nartifacts = ["dist/index.js", "dist/no.js"]\n'})
    result = run_check(checks.test_artifacts, app)
    assert_outcome(result, "fail", "dist/no.js")
    assert "gone.js" not in result.message


@pytest.mark.parametrize(
    ("count", "errors", "outcome", "says"),
    [
        (1, (), "pass", ""),
        (0, (), "skip", "no artifact is JavaScript"),
        (
            2,
            (MeasurementUnavailable("b", remedy="r"), CheckFailed("a.js line 1")),
            "fail",
            "a.js line 1",
        ),
        (1, (MeasurementUnavailable("not parsed", remedy="r"),), "unknown", "not parsed"),
    ],
)
def test_an_artifact_that_does_not_parse_fails(
    app: Path, count: int, errors: tuple[FlowHealthError, ...], outcome: str, says: str
) -> None:
    result = run_check(checks.test_syntax, app, build_syntax=Parsed(count, errors))
    assert_outcome(result, outcome, says)

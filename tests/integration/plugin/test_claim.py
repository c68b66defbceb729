"""The report is claimed before anything can end the run, and never at the cost of another file."""

from pathlib import Path

import pytest

from tests.kit.runs import RunChecks

GOOD = '@pytest.mark.health("app")\ndef test_good(): pass\n'
OLD = {".flowhealth/report.json": '{"health": {"status": "healthy"}}'}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--no-such-option",), "--no-such-option"),
        (("--health-threshold",), "expected one argument"),
        (("--health-retry", "soon"), "expected a duration"),
        (("--health-allow=unhealthy",), "invalid choice"),
        (("--health-threshold", "app.x"), "app.x"),
        (("--health-threshold", "app.x=nan:"), "nan"),
        (("--health-component", "ap"), "there is no component 'ap'; did you mean app?"),
        (("-c", "other.ini"), "Missing required plugins: nothere"),
    ],
)
def test_a_usage_error_leaves_no_old_report(
    run_checks: RunChecks, options: tuple[str, ...], words: str
) -> None:
    files = {**OLD, "other.ini": "[pytest]\nrequired_plugins = nothere\n"}

    result = run_checks(GOOD, *options, files=files)

    assert (result.exit_code, result.health["status"]) == (4, "unknown")
    assert words in result.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--health-project", "nowhere"), "nowhere"),
        (("--health-report", "/proc/none/report.json"), "--health-report"),
        (("--health-report", "precious.json"), "is no report"),
    ],
)
def test_a_place_that_cannot_hold_the_report_is_a_usage_error(
    run_checks: RunChecks, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    result = run_checks(GOOD, *options, files={"precious.json": '{"mine": 1}'}, report="none")

    assert result.exit_code == 4
    assert words in result.err
    assert (tmp_path / "precious.json").read_text() == '{"mine": 1}'


def test_the_report_goes_to_the_named_file_and_replaces_an_older_one(run_checks: RunChecks) -> None:
    files = {"deep/down/r.json": '{"created": 1.0, "tests": []}'}

    result = run_checks(
        GOOD, "--health-report", "deep/down/r.json", files=files, report="deep/down/r.json"
    )

    assert (result.exit_code, result.health["status"]) == (0, "healthy")

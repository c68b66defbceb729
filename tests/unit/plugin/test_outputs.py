"""`--health-output`: what it accepts, and formats of other packages."""

import argparse
from pathlib import Path

import pytest

from pytest_flowhealth.plugin.reporting.outputs import Output, read_outputs, read_valid_outputs
from tests.kit.reports import HEALTHY

PACKAGE = {
    "fh_test-1.dist-info/entry_points.txt": "[pytest_flowhealth.formats]\n"
    "theirs = fh_theirs:render\nbroken = fh_theirs:broken\nmissing = fh_nowhere:render\n",
    "fh_test-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: fh-test\nVersion: 1\n",
    "fh_theirs.py": "def render(health): return f'{health.status} \\ud800'\n"
    "def broken(health): raise SystemError('of theirs')\n",
}


def options(*outputs: str, report: str | None = None) -> argparse.Namespace:
    return argparse.Namespace(
        health_output=[*outputs], health_report=report, health_project=None, health_submit=None
    )


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (options("junit:a", "html:./x/../a"), "a"),
        (options("junit:.flowhealth/report.json"), "report.json"),
        (options("health+json:r.json", report="r.json"), "r.json"),
        (options("nagios", "junit"), "only one can go to standard output, not nagios and junit"),
        (options("nagios", report="-"), "not nagios and the report"),
        (options("xml"), "there is no format 'xml'; there are badge, github, health.json, html,"),
    ],
)
def test_what_is_refused_as_a_usage_error(
    tmp_path: Path, found: argparse.Namespace, message: str
) -> None:
    with pytest.raises(pytest.UsageError, match=message):
        read_outputs(found, tmp_path)


def test_what_can_be_read_of_wrong_options_still_gets_the_verdict(tmp_path: Path) -> None:
    found = read_valid_outputs(options("xml:x", "junit:a", "html:a", "nagios"), tmp_path)
    assert [(output.format, output.path) for output in found] == [
        ("junit", tmp_path / "a"),
        ("nagios", None),
    ]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("theirs", None),
        ("broken", "the format broken does not work: SystemError: of theirs"),
        (
            "missing",
            "'missing' of the distribution fh-test can't be imported: ModuleNotFoundError: No module",
        ),
    ],
)
def test_a_format_of_another_package_writes_or_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, problem: str | None
) -> None:
    for place, text in PACKAGE.items():
        file = tmp_path / "site" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "site")
    file = tmp_path / "out"
    file.write_text("an earlier verdict")
    found = Output(name, file).write(HEALTHY)

    if problem is None:
        assert found is None
        assert file.read_text() == "healthy \\ud800"
    else:
        assert problem in str(found)
        assert not file.exists()


def test_a_file_that_cannot_be_written_leaves_no_earlier_verdict(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = Output("nagios", tmp_path / "file/below").write(HEALTHY)
    assert "could not be written" in str(found)
    assert Output("nagios", None).write(HEALTHY) is None

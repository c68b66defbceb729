"""GitHub's job summary, and paths as CI names them."""

import os
import re
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.domain.report import Document, Report
from pytest_flowhealth.formats import github
from pytest_flowhealth.plugin.reporting.ci_summary import CiSummary, relocate
from tests.kit.reports import BROKEN, HEALTHY, judged, reported


def document(health: Report, root: Path = Path("/srv/shop")) -> Document:
    return Document(0.0, 0.0, 0, str(root), {}, {}, (), health)


def headings(file: Path) -> list[str]:
    return re.findall(r"(?m)^##? .*$", file.read_text())


def test_a_summary_is_appended_and_a_second_one_of_the_run_replaces_the_first(
    tmp_path: Path,
) -> None:
    file = tmp_path / "summary.md"
    file.write_text("# Before\n")
    summary = CiSummary(file, ())
    assert summary.write(document(HEALTHY)) is None
    assert summary.write(document(BROKEN)) is None
    assert headings(file) == ["# Before", "## Unknown: shop 1.0.0"]

    with file.open("a") as other:
        other.write("# Behind\n")
    assert summary.write(document(HEALTHY)) is None
    assert headings(file) == [
        *("# Before", "## Unknown: shop 1.0.0", "# Behind", "## Healthy: shop 1.0.0")
    ]


def test_a_full_summary_stays_within_githubs_limit(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    file.write_text("x" * (github.SUMMARY - 500))
    assert CiSummary(file, ()).write(document(HEALTHY)) is None
    assert file.stat().st_size <= github.SUMMARY


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        (".", "no regular file"),
        ("pipe", "no regular file"),
        ("report.json", "the report or an output goes there"),
        ("link", "the report or an output goes there"),
        ("report.json/below", "could not be written"),
    ],
)
def test_a_summary_that_cannot_be_written_is_a_problem(
    tmp_path: Path, place: str, problem: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "report.json").write_text("{}")
    (tmp_path / "link").symlink_to("report.json")
    summary = CiSummary(tmp_path / place, (tmp_path / "report.json",))
    assert problem in str(summary.write(document(HEALTHY)))
    assert (tmp_path / "report.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("variables", "location"),
    [
        ({}, "health/test_a.py:7"),
        ({"GITHUB_WORKSPACE": "/srv"}, "shop/health/test_a.py:7"),
        ({"CI_PROJECT_DIR": "/srv/shop/health"}, "test_a.py:7"),
        ({"GITHUB_WORKSPACE": "/elsewhere"}, None),
    ],
)
def test_locations_are_relative_to_the_repository(
    variables: dict[str, str], location: str | None
) -> None:
    check = msgspec.structs.replace(judged("app.a"), location="health/test_a.py:7")
    found = relocate(document(reported([check])), variables)
    assert found.checks[0].location == location

"""The report replaces only what is a report."""

import json
import os
from pathlib import Path

import pytest

from pytest_flowhealth.plugin.reporting.report_builder import build_unfinished
from pytest_flowhealth.plugin.reporting.report_file import NotOurs, write_report


def write(path: Path) -> str:
    """Write a report to `path` and return its status."""
    write_report(path, build_unfinished(path.parent, ("run did not finish",)))
    return str(json.loads(path.read_text())["health"]["status"])


@pytest.mark.parametrize(
    "content", [None, "", "\n", '{"created": 1.0, "tests": []}', '{"health": {}}']
)
def test_an_empty_file_or_a_report_is_replaced(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "report.json"
    if content is not None:
        path.write_text(content)

    assert write(path) == "unknown"


@pytest.mark.parametrize("content", ['{"mine": 1}', "[1]", "text", "\ud800"])
def test_another_file_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "precious.json"
    path.write_bytes(content.encode(errors="surrogatepass"))

    with pytest.raises(NotOurs, match="is no report"):
        write(path)
    assert path.read_bytes() == content.encode(errors="surrogatepass")


def test_in_its_own_folder_whatever_is_there_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / ".flowhealth" / "report.json"
    path.parent.mkdir()
    path.write_text("half a repo")

    assert write(path) == "unknown"


def test_a_pipe_and_a_folder_are_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotOurs, match="no regular file"):
        write(tmp_path / "pipe")
    with pytest.raises(NotOurs, match="a folder"):
        write(tmp_path)
    assert (tmp_path / "pipe").is_fifo()

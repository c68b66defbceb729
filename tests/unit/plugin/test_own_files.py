"""Which files an output may replace."""

import os
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from pytest_flowhealth.config.extensions import FORMATS
from pytest_flowhealth.plugin.reporting.own_files import is_same_file, require_own
from tests.kit.readers import READERS
from tests.kit.reports import BROKEN, DEGRADED, EVERY, HEALTHY, ILL, NOTHING

FOREIGN = {
    "package-lock.json": '{"status": "pass"}',
    "package.json": "{}",
    "notes.md": "## Healthy: how to stay so\n",
    "page.html": "<!doctype html><html></html>",
    "theirs.xml": '<?xml version="1.0"?><testsuites name="pytest tests"/>',
    "theirs.prom": "# TYPE up gauge\n",
    "x.py": "import os\n",
}


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_another_program_wrote_is_refused(tmp_path: Path, name: str) -> None:
    for place, text in FOREIGN.items():
        (tmp_path / place).write_text(text)
        with pytest.raises(OSError, match="name another file"):
            require_own(tmp_path / place, name)


@pytest.mark.parametrize("name", READERS)
def test_what_the_format_wrote_earlier_may_be_replaced(tmp_path: Path, name: str) -> None:
    (entry,) = (entry for entry in entry_points(group=FORMATS) if entry.name == name)
    file = tmp_path / "file"
    require_own(file, name)
    for health in (HEALTHY, DEGRADED, EVERY, ILL, NOTHING, BROKEN):
        file.write_bytes(entry.load()(health).encode("utf-8", "backslashreplace"))
        require_own(file, name)
    file.write_text("\n")
    require_own(file, name)


def test_folders_and_pipes_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path, "a folder"), (tmp_path / "pipe", "no regular file")):
        with pytest.raises(OSError, match=kind):
            require_own(path, "junit")


def test_two_spellings_and_a_link_are_one_place(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    assert is_same_file(tmp_path / "file", tmp_path / "x/../file")
    assert is_same_file(tmp_path / "file", tmp_path / "link")
    assert not is_same_file(tmp_path / "file", tmp_path / "other")

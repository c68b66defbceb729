"""Checks are found in the source of files that are not imported."""

from pathlib import Path

import pytest

from pytest_flowhealth.plugin.scan import checks_in

SOURCE = """
import pytest
pytest.importorskip("nothere")
{mark}
@pytest.mark.health("app", timeout=5)
def test_own(): pass
def test_plain(): pass
@pytest.mark.health("app")
def helper(): pass
@pytest.mark.health("http")
class TestPages:
    async def test_page(self): pass
    @pytest.mark.health("other")
    def test_other(self): pass
"""


@pytest.mark.parametrize("mark", ["pytestmark = {0}", "pytestmark = [pytest.mark.slow, {0}]"])
def test_markers_of_functions_classes_and_modules_declare_checks(tmp_path: Path, mark: str) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(SOURCE.format(mark=""))
    assert checks_in(file) == ["app.own", "http.page", "other.other"]

    file.write_text(SOURCE.format(mark=mark.format("pytest.mark.health('all')")))
    assert checks_in(file) == ["app.own", "all.plain", "http.page", "other.other"]


@pytest.mark.parametrize("content", [b"def (", b"\0", b"\xff", b"(" * 100_000])
def test_a_file_that_is_no_python_declares_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "test_it.py").write_bytes(content)

    assert checks_in(tmp_path / "test_it.py") == []
    assert checks_in(tmp_path / "not_there.py") == []

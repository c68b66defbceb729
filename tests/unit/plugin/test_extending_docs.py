"""docs/extending.md shows the package that tests/integration/plugin/test_extensions.py runs."""

import re
from pathlib import Path

import pytest

from tests.kit.packages import EXAMPLE

PAGE = Path(__file__).parents[3] / "docs" / "extending.md"
BLOCKS = re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize(("name", "block"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_an_example_of_the_docs_is_a_part_of_the_package(name: str, block: str) -> None:
    assert block.strip() in (EXAMPLE / name).read_text()


def test_every_file_of_the_package_is_shown() -> None:
    files = {str(path.relative_to(EXAMPLE)) for path in EXAMPLE.rglob("*.py")}
    shown = {name for name, _ in BLOCKS}
    assert {name for name in files if not name.endswith("__init__.py")} | {
        "pyproject.toml"
    } == shown

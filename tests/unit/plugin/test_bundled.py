"""The bundled checks are well declared."""

import ast
from pathlib import Path

import pytest

from pytest_flowhealth.plugin.collection import bundled

FILES = bundled.find_files()


def test_the_quick_components_come_first() -> None:
    assert tuple(FILES)[: len(bundled.QUICK)] == bundled.QUICK


@pytest.mark.parametrize("component", FILES)
def test_each_bundled_check_has_a_timeout_a_docstring_and_its_files_component(
    component: str,
) -> None:
    for name, mark, doc in declared(FILES[component]):
        assert mark.startswith(f"pytest.mark.health('{component}'"), name
        assert "timeout=" in mark, name
        assert doc, name


def declared(path: Path) -> list[tuple[str, str, str | None]]:
    """Return the name, the `health` marker and the docstring of each test in a file."""
    return [
        (node.name, marker, ast.get_docstring(node))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        for marker in map(ast.unparse, node.decorator_list)
        if marker.startswith("pytest.mark.health(")
    ]

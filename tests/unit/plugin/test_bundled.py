"""The bundled checks are well declared."""

import ast
import importlib
from pathlib import Path

import pytest

from pytest_flowhealth.plugin.collection import bundled
from pytest_flowhealth.plugin.collection.uncollected import read_bundled
from pytest_flowhealth.plugin.execution.project import QUESTIONS
from pytest_flowhealth.probes.project.process import AGENT

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


def test_the_node_process_is_prepared_for_each_component_that_asks_it() -> None:
    asking = {name for name, file in FILES.items() if "npm_project" in file.read_text()}
    assert asking == set(QUESTIONS)
    agent = AGENT.parent
    assert all((agent / f"{name}.mjs").is_file() for names in QUESTIONS.values() for name in names)


@pytest.mark.parametrize("component", FILES)
def test_the_thresholds_of_a_file_are_known_without_importing_it(component: str) -> None:
    functions = vars(importlib.import_module(f"checks.test_{component}")).values()
    marks = [mark for function in functions for mark in getattr(function, "pytestmark", ())]
    names = [f"{component}.{mark.args[0]}" for mark in marks if mark.name == "threshold"]

    read = [name for check in read_bundled(component) for name in check.thresholds]

    assert sorted(read) == sorted(names)


def declared(path: Path) -> list[tuple[str, str, str | None]]:
    """Return the name, the `health` marker and the docstring of each test in a file."""
    return [
        (node.name, marker, ast.get_docstring(node))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        for marker in map(ast.unparse, node.decorator_list)
        if marker.startswith("pytest.mark.health(")
    ]

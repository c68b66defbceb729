"""Finds checks that a selection by path or node id left out, without importing their files."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from pytest_flowhealth.plugin import bundled

_MOST_FILES = 2_000


def declared_nearby(config: pytest.Config) -> set[str]:
    """Return the ids of the checks in the bundled files and in the folders of the given paths.

    Read from the source: literal `health` markers on functions, classes and modules.
    """
    return {one for path in _files(config) for one in checks_in(path)}


def checks_in(path: Path) -> list[str]:
    """Return the ids of the checks that a file's source declares; nothing where it can't be read."""
    try:
        module = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return list(_in_body(module, _of_module(module)))


def _files(config: pytest.Config) -> Iterator[Path]:
    yield from bundled.files().values()
    here = config.invocation_params.dir
    folders = {_folder(here / argument.partition("::")[0]) for argument in config.args}
    count = 0
    for folder in folders:
        for path in folder.rglob("*.py"):
            count += 1
            if count > _MOST_FILES:
                return
            if "node_modules" not in path.parts:
                yield path


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _in_body(node: ast.Module | ast.ClassDef, outer: str | None) -> Iterator[str]:
    for child in node.body:
        if isinstance(child, ast.ClassDef):
            yield from _in_body(child, _component(child.decorator_list) or outer)
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            component = _component(child.decorator_list) or outer
            if component and child.name.startswith("test"):
                yield f"{component}.{child.name.removeprefix('test_')}"


def _of_module(module: ast.Module) -> str | None:
    for node in module.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(name, ast.Name) and name.id == "pytestmark" for name in node.targets
        ):
            marks = (
                node.value.elts if isinstance(node.value, (ast.List, ast.Tuple)) else [node.value]
            )
            return _component(marks)
    return None


def _component(marks: Iterable[ast.expr]) -> str | None:
    for mark in marks:
        if (
            isinstance(mark, ast.Call)
            and isinstance(mark.func, ast.Attribute)
            and mark.func.attr == "health"
            and mark.args
            and isinstance(mark.args[0], ast.Constant)
        ):
            return str(mark.args[0].value)
    return None

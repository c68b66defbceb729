"""Compare the checks that are written in the source files with those that pytest collected.

The sources are read, not imported: a check that pytest passed over without a word, because of the
name of its file, its class or its function, must not be missing from the verdict.
"""

from __future__ import annotations

import fnmatch
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.domain.root_causes import RunProblem
from pytest_flowhealth.plugin.collection import bundled
from pytest_flowhealth.plugin.collection.sources import (
    CheckReader,
    WrittenCheck,
    find_tuple_assertions,
    is_fully_collected,
    parse_file,
)
from pytest_flowhealth.plugin.reporting.messages import show_path

_MOST_FILES = 2_000
_NOT_SEARCHED = frozenset({"node_modules", "__pycache__", "site-packages"})


def find_uncollected(
    config: pytest.Config, items: Iterable[pytest.Item], excused: Iterable[str]
) -> list[RunProblem]:
    """Return a problem for each check in the requested paths that pytest did not collect.

    Args:
        config: Its arguments are the requested paths; what a node id names is left alone.
        items: What pytest collected, before anything was deselected.
        excused: Node ids of files that could not be collected, which are problems already.
    """
    if config.getoption("lf", default=False):
        return []
    paths = [_find_path(config, arg) for arg in config.args if "::" not in arg]
    collected = list(items)
    known = _locate(collected)
    not_read = {config.rootpath / nodeid for nodeid in excused}
    problems: list[RunProblem] = []
    for path in dict.fromkeys(paths):
        if bundled.is_bundled(path) or not path.exists():
            continue
        for file in _python_files(path):
            if file not in not_read:
                problems += _compare(file, known, config, given=path.is_file())
        if path.is_dir() and not problems and not _holds_any(path, collected, not_read):
            problems.append(
                RunProblem(f"{show_path(path, config.invocation_params.dir)} contains no check")
            )
    return list(dict.fromkeys(problems))


def find_vain_assertions(config: pytest.Config) -> Iterator[RunProblem]:
    """Yield a problem for each assertion on a tuple in the imported modules beside the checks."""
    folder = config.invocation_params.dir
    paths = [Path(folder, arg.partition("::")[0]) for arg in config.args]
    folders = {(path if path.is_dir() else path.parent).resolve() for path in paths}
    for where, names in _group_modules().items():
        if _NOT_SEARCHED.intersection(where.parts):
            continue
        resolved = where.resolve()
        is_beside = not folders.isdisjoint((resolved, *resolved.parents))
        for name in names:
            if not is_beside and name != "conftest.py":
                continue
            for line in find_tuple_assertions(where / name):
                text = "an assertion on a tuple is always true; remove the parentheses"
                yield RunProblem(f"{show_path(where / name, folder)}:{line}: {text}")


def _group_modules() -> dict[Path, list[str]]:
    """Return the names of the imported source files by folder: a run has hundreds, in few folders."""
    found: dict[str, list[str]] = {}
    for module in [*sys.modules.values()]:
        where, name = os.path.split(getattr(module, "__file__", None) or "")
        if name.endswith(".py"):
            found.setdefault(where, []).append(name)
    return {Path(where): names for where, names in found.items()}


def _find_path(config: pytest.Config, argument: str) -> Path:
    """Return the path that an argument names; with --pyargs that of a module."""
    path = Path(config.invocation_params.dir, argument)
    if path.exists() or not config.option.pyargs:
        return path
    try:
        spec = importlib.util.find_spec(argument)
    except (ImportError, ValueError):
        return path
    locations = spec.submodule_search_locations if spec else None
    found = locations[0] if locations else spec.origin if spec else None
    return Path(found) if found else path


def _holds_any(folder: Path, items: list[pytest.Item], not_read: set[Path]) -> bool:
    """Tell whether a folder holds a collected item, or a file that could not be collected."""
    files = [item.path.resolve() for item in items] + list(not_read)
    return any(folder.resolve() in file.parents for file in files)


def read_bundled(name: str) -> tuple[WrittenCheck, ...]:
    """Return the checks of a bundled file, without importing it; none if there is no such file.

    Args:
        name: A component, or the name of anything that begins with it: ``redis.connect``.
    """
    return _read_component(name.partition(".")[0])


@cache
def _read_component(component: str) -> tuple[WrittenCheck, ...]:
    path = bundled.find_files().get(component)
    return read_checks(path) if path else ()


def read_ids(config: pytest.Config) -> set[str]:
    """Return the ids of the checks in the bundled files and in the folders of the given paths."""
    paths = [config.invocation_params.dir / arg.partition("::")[0] for arg in config.args]
    folders = {path if path.is_dir() else path.parent for path in paths}
    files = [*bundled.find_files().values()]
    for folder in folders:
        files += _python_files(folder)
    return {check.id for file in files for check in read_checks(file) if check.id}


def read_checks(path: Path) -> tuple[WrittenCheck, ...]:
    """Return the checks that a file declares; none if it can't be read."""
    module = parse_file(path)
    return () if module is None else tuple(CheckReader(path, module).read())


def _compare(
    file: Path, known: Mapping[str, set[int | str]], config: pytest.Config, *, given: bool
) -> Iterator[RunProblem]:
    """Yield what is wrong with the checks of one file."""
    folder, collected = config.invocation_params.dir, known.get(str(file.resolve()), set())
    if is_fully_collected(file, collected):
        return
    for check in read_checks(file):
        found = {check.line, check.qualified_name} & collected
        if found and not (check.redefined and check.line not in collected):
            continue
        why = _explain(check, config, given=given)
        where = f"{show_path(file, folder)}:{check.line}"
        yield RunProblem(f"{where}: the check {check.qualified_name} was not collected: {why}")


def _explain(check: WrittenCheck, config: pytest.Config, *, given: bool) -> str:
    """Return why pytest did not collect a check."""
    if check.redefined is not None:
        return f"{check.name} is defined again on line {check.redefined}"
    if check.obstacle is not None:
        return check.obstacle
    files, classes, functions = (
        config.getini(f"python_{kind}") for kind in ("files", "classes", "functions")
    )
    classes_match = check.unittest or all(_matches_name(one, classes) for one in check.classes)
    for matches, subject, name, patterns in (
        (given or _matches_path(check.path, files), "the file's name", "python_files", files),
        (classes_match, "the class's name", "python_classes", classes),
        (_matches_name(check.name, functions), "its name", "python_functions", functions),
    ):
        if not matches:
            return f"{subject} matches none of {name} = {' '.join(patterns)}"
    if check.conditional:
        return "the block that it is in did not run"
    return "a setting or a conftest.py keeps pytest from collecting it"


def _matches_path(path: Path, patterns: Sequence[str]) -> bool:
    return any(
        fnmatch.fnmatch(str(path) if "/" in pattern else path.name, pattern) for pattern in patterns
    )


def _matches_name(name: str, patterns: Sequence[str]) -> bool:
    """Tell whether a name is collected: pytest takes a pattern as a prefix, or as a glob."""
    return any(
        name.startswith(pattern)
        or (any(one in pattern for one in "*?[") and fnmatch.fnmatch(name, pattern))
        for pattern in patterns
    )


def _locate(items: Iterable[pytest.Item]) -> dict[str, set[int | str]]:
    """Return where the functions of the items are defined, by file."""
    known: dict[str, set[int | str]] = {}
    for item in items:
        for path, location in _locations(item):
            known.setdefault(path, set()).add(location)
    return known


def _locations(item: pytest.Item) -> Iterator[tuple[str, int | str]]:
    """Yield where the function of an item is defined: by name, and by its first line."""
    path = _resolve(str(item.path))
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    name = str(getattr(item, "originalname", None) or item.name.partition("[")[0])
    yield path, ".".join((*classes, name))
    function: Any = getattr(item, "obj", None)
    function = function or getattr(getattr(item.parent, "obj", None), name, None)
    try:
        code = inspect.unwrap(function).__code__
    except (AttributeError, ValueError, TypeError):
        return
    yield _resolve(code.co_filename), code.co_firstlineno


@cache
def _resolve(path: str) -> str:
    return os.path.realpath(path)


def _python_files(path: Path) -> list[Path]:
    """Return the Python files at or below `path`, without hidden and installed ones."""
    if path.is_file():
        return [path] if path.suffix == ".py" else []
    found: list[Path] = []
    for file in sorted(path.rglob("*.py")):
        parts = file.relative_to(path).parts
        if not any(part.startswith(".") or part in _NOT_SEARCHED for part in parts):
            found.append(file)
        if len(found) == _MOST_FILES:
            break
    return found

"""Compare the checks that are written in the source files with those that pytest collected.

The sources are read, not imported: a check that pytest passed over without a word, because of the
name of its file, its class or its function, must not be missing from the verdict.
"""

from __future__ import annotations

import ast
import fnmatch
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from pytest_flowhealth.domain.root_causes import RunProblem
from pytest_flowhealth.plugin.collection import bundled
from pytest_flowhealth.plugin.collection.assertions import find_vain_assertions
from pytest_flowhealth.plugin.collection.sources import CheckReader, WrittenCheck, parse_file
from pytest_flowhealth.plugin.reporting.messages import show_path, summarize

_MOST_FILES = 2_000
_NOT_SEARCHED = frozenset({"node_modules", "__pycache__", "site-packages"})
_DEFINITION = re.compile(
    r"^[ \t]*(?:@(?P<decorator>[\w.]+)|(?:async[ \t]+)?def[ \t]+(?P<name>\w+))", re.MULTILINE
)
# Classes, blocks and calls at the top level, and marks applied by a call: `test_up = redis(check_up)`.
_UNCERTAIN = re.compile(
    r"^(?:class|if|try|with|for|while|match|async (?!def))\b"
    r"|^(?!pytestmark\b)\w[^\n=(]*=[^\n]*\(|^\w[\w.]*\(|\\\r?$|\f",
    re.MULTILINE,
)


def find_uncollected(
    config: pytest.Config,
    items: Iterable[pytest.Item],
    checks: Container[pytest.Item],
    excused: Iterable[str],
) -> list[RunProblem]:
    """Return a problem for each check in the requested paths that pytest did not collect.

    Args:
        config: Its arguments are the requested paths; what a node id names is left alone.
        items: What pytest collected, before anything was deselected.
        checks: Those of them that are known to carry the marker.
        excused: Node ids of files that could not be collected, which are problems already.
    """
    paths = [_find_path(config, arg) for arg in config.args if "::" not in arg]
    collected = list(items)
    locations = _Locations(collected, checks)
    not_read = {config.rootpath / nodeid for nodeid in excused}
    problems: list[RunProblem] = []
    for path in dict.fromkeys(paths):
        if bundled.is_bundled(path) or not path.exists():
            continue
        for file in _python_files(path):
            if file not in not_read:
                problems += _compare(file, locations, config, given=path.is_file())
        if path.is_dir() and not problems and not _holds_any(path, collected, not_read):
            problems.append(
                RunProblem(f"{show_path(path, config.invocation_params.dir)} contains no check")
            )
    return list(dict.fromkeys(problems))


def check_assertions(config: pytest.Config) -> Iterator[RunProblem]:
    """Yield a problem for each assertion that is always true in the imported modules beside the checks."""
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
            for line, kind in find_vain_assertions(where / name):
                text = f"an assertion on {kind} is always true"
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
    file: Path, locations: _Locations, config: pytest.Config, *, given: bool
) -> Iterator[RunProblem]:
    """Yield what is wrong with the checks of one file."""
    folder = config.invocation_params.dir
    collected, unmarked = locations.of(file)
    if is_fully_collected(file, collected):
        return
    problem = _find_read_error(file, config)
    if problem is not None:
        yield RunProblem(f"{show_path(file, folder)} can't be read: {problem}")
    declared = read_checks(file)
    known = {each for check in declared for each in (check.line, check.qualified_name)}
    marked = [check for check in _find_marked_functions(file) if check.line not in known]
    for check in (*declared, *(check for check in marked if check.qualified_name not in known)):
        location = {check.line, check.qualified_name}
        if location & collected and not (check.redefined and check.line not in collected):
            continue
        why = _explain(check, config, given=given)
        if check.redefined is None and location & unmarked:
            why = "pytest found no marker on it: what wraps the function hides it"
        where = f"{show_path(file, folder)}:{check.line}"
        yield RunProblem(f"{where}: the check {check.qualified_name} was not collected: {why}")


def is_fully_collected(path: Path, lines: Container[int | str]) -> bool:
    """Tell whether everything in a file that may be a check begins on one of `lines`.

    A quick look at the text, so that most files need not be parsed: False where it can't tell.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    if _UNCERTAIN.search(text):
        return False
    line, position, decorated_from, is_fixture = 1, 0, 0, False
    for match in _DEFINITION.finditer(text):
        line += text.count("\n", position, match.start())
        position = match.start()
        name = match["name"]
        if name is None:
            decorated_from = decorated_from or line
            is_fixture = is_fixture or match["decorator"].endswith("fixture")
            continue
        may_be_check = (decorated_from or name.startswith("test")) and not is_fixture
        if may_be_check and (decorated_from or line) not in lines:
            return False
        decorated_from, is_fixture = 0, False
    return True


def _find_read_error(file: Path, config: pytest.Config) -> str | None:
    """Return why a file that may hold checks can't be read; None if it can."""
    try:
        content = file.read_bytes()
    except OSError as error:
        matches = _matches_path(file, config.getini("python_files"))
        return str(error.strerror) if matches and not file.is_dir() else None
    if b"mark.health" not in content:
        return None
    try:
        ast.parse(content)
    except SyntaxError as error:
        return f"{error.msg} (line {error.lineno})"
    except (ValueError, RecursionError, MemoryError) as error:
        return summarize(error)
    return None


def _find_marked_functions(file: Path) -> Iterator[WrittenCheck]:
    """Yield the functions of an imported file that carry the marker, however it was put there."""
    for namespace in _find_namespaces(file):
        yield from _read_namespace(file, namespace, ())


def _find_namespaces(file: Path) -> list[dict[str, Any]]:
    """Return the namespaces of the modules that were imported from a file."""
    return [vars(module) for module in [*sys.modules.values()] if _is_imported_from(module, file)]


def _is_imported_from(module: object, file: Path) -> bool:
    name = getattr(module, "__file__", None)
    try:
        return name is not None and file.samefile(name)
    except OSError:
        return False


def _read_namespace(
    file: Path, namespace: Mapping[str, Any], classes: tuple[str, ...]
) -> Iterator[WrittenCheck]:
    module = namespace.get("__module__", namespace.get("__name__"))
    for name, value in [*namespace.items()]:
        if isinstance(value, type) and value.__qualname__ == ".".join((*classes, name)):
            yield from _read_namespace(file, vars(value), (*classes, name))
        elif isinstance(value, FunctionType):
            code = inspect.unwrap(value).__code__
            marks = getattr(value, "pytestmark", ())
            if not any(getattr(mark, "name", "") == "health" for mark in marks):
                continue
            if _resolve(code.co_filename) == _resolve(str(file)):
                yield WrittenCheck(file, code.co_firstlineno, name, classes)
            elif code.co_filename == "<string>" and value.__module__ == module:  # made by exec
                yield WrittenCheck(file, 0, name, classes)


def _explain(check: WrittenCheck, config: pytest.Config, *, given: bool) -> str:
    """Return why pytest did not collect a check."""
    if check.redefined is not None:
        return f"{check.name} is defined again on line {check.redefined}"
    if check.obstacle is not None:
        return check.obstacle
    files, classes, functions = (
        config.getini(f"python_{kind}") for kind in ("files", "classes", "functions")
    )
    classes_match = check.unittest or all(_matches_name(name, classes) for name in check.classes)
    for matches, subject, name, patterns in (
        (given or _matches_path(check.path, files), "the file's name", "python_files", files),
        (classes_match, "the class's name", "python_classes", classes),
        (_matches_name(check.name, functions), "its name", "python_functions", functions),
    ):
        if not matches:
            return f"{subject} matches none of {name} = {' '.join(patterns)}"
    if check.conditional:
        return "the block that it is in did not run"
    return (
        _find_class_obstacle(check) or "a setting or a conftest.py keeps pytest from collecting it"
    )


def _find_class_obstacle(check: WrittenCheck) -> str | None:
    """Return what pytest does not collect in the class of a check, also what it inherits."""
    for namespace in _find_namespaces(check.path) if check.classes else ():
        found: Any = namespace.get(check.classes[0])
        for name in check.classes[1:]:
            found = getattr(found, name, None)
        for method in ("__init__", "__new__"):
            if isinstance(found, type) and getattr(found, method) is not getattr(object, method):
                return f"the class {found.__name__} has, or inherits, a method {method}"
    return None


def _matches_path(path: Path, patterns: Sequence[str]) -> bool:
    return any(
        fnmatch.fnmatch(str(path) if "/" in pattern else path.name, pattern) for pattern in patterns
    )


def _matches_name(name: str, patterns: Sequence[str]) -> bool:
    """Tell whether a name is collected: pytest takes a pattern as a prefix, or as a glob."""
    return any(
        name.startswith(pattern)
        or (any(character in pattern for character in "*?[") and fnmatch.fnmatch(name, pattern))
        for pattern in patterns
    )


class _Locations:
    """Where the functions of the collected items are defined: by name, and by first line.

    Args:
        items: What pytest collected.
        checks: Those of them that are known to carry the marker.
    """

    def __init__(self, items: Iterable[pytest.Item], checks: Container[pytest.Item]) -> None:
        self._marked: dict[str, set[int | str]] = {}
        self._unmarked: dict[str, set[int | str]] = {}
        for item in items:
            is_check = item in checks or item.get_closest_marker("health") is not None
            known = self._marked if is_check else self._unmarked
            for path, location in _locations(item):
                known.setdefault(path, set()).add(location)

    def of(self, file: Path) -> tuple[set[int | str], set[int | str]]:
        """Return where the checks of a file are defined, and where its other tests are."""
        path = _resolve(str(file))
        return self._marked.get(path, set()), self._unmarked.get(path, set())


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

"""Compare the checks that are written in the source files with those that pytest collected.

The sources are read, not imported: a check that pytest passed over without a word, because of the
name of its file, its class or its function, must not be missing from the verdict.
"""

from __future__ import annotations

import ast
import fnmatch
import inspect
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_flowhealth.domain.root_causes import RunProblem
from pytest_flowhealth.plugin.collection import bundled
from pytest_flowhealth.plugin.reporting.messages import describe_tuple_assertion, show_path

_MOST_FILES = 2_000
_NOT_SEARCHED = frozenset({"node_modules", "__pycache__", "site-packages"})


class WrittenCheck(NamedTuple):
    """A check in a source file.

    Attributes:
        line: The first line of its definition, decorators included.
        classes: The classes around it, the outermost first.
        component: Of its marker; None if it is not a literal.
        redefined: The line on which the same name is defined again; None if it is not.
        obstacle: Why pytest does not collect its class; None if nothing speaks against it.
        unittest: Whether its class is a unittest.TestCase, whose name does not matter.
        thresholds: Their names with the component, ``redis.command.p95``, where both are literals.
    """

    path: Path
    line: int
    name: str
    classes: tuple[str, ...]
    component: str | None
    redefined: int | None
    obstacle: str | None
    unittest: bool
    thresholds: tuple[str, ...]

    @property
    def qualified_name(self) -> str:
        """Its name with its classes: ``TestShop.test_up``."""
        return ".".join((*self.classes, self.name))

    @property
    def id(self) -> str | None:
        """Its id, without a parametrisation's brackets; None if the component is not a literal."""
        return self.component and f"{self.component}.{self.name.removeprefix('test_')}"


class Source(NamedTuple):
    """What was read from a file: its checks, and the lines of assertions on a tuple."""

    checks: tuple[WrittenCheck, ...] = ()
    tuple_assertions: tuple[int, ...] = ()


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
    paths = [Path(config.invocation_params.dir, arg) for arg in config.args if "::" not in arg]
    collected = list(items)
    known = {location for item in collected for location in _locations(item)}
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
    return read_source(path).checks if path else ()


def read_ids(config: pytest.Config) -> set[str]:
    """Return the ids of the checks in the bundled files and in the folders of the given paths."""
    paths = [config.invocation_params.dir / arg.partition("::")[0] for arg in config.args]
    folders = {path if path.is_dir() else path.parent for path in paths}
    files = [*bundled.find_files().values()]
    for folder in folders:
        files += _python_files(folder)
    return {check.id for file in files for check in read_source(file).checks if check.id}


def read_source(path: Path) -> Source:
    """Return the checks that a file declares; none if it can't be read."""
    try:
        module = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return Source()
    checks = tuple(_Reader(path, module).read())
    lines = (
        node.lineno
        for node in ast.walk(module)
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Tuple) and node.test.elts
    )
    return Source(checks, tuple(lines) if checks else ())


class _Reader:
    """Reads the checks of one module: decorators, `pytestmark`, and names that stand for a marker."""

    def __init__(self, path: Path, module: ast.Module) -> None:
        self._path = path
        self._module = module
        self._aliases = {
            name: node.value
            for node in module.body
            if isinstance(node, ast.Assign)
            for name in _assigned_names(node)
        }

    def read(self) -> Iterator[WrittenCheck]:
        """Yield every check, in the order of the file."""
        yield from self._read_body(self._module.body, (), self._pytestmark(self._module.body), None)

    def _read_body(
        self,
        body: Sequence[ast.stmt],
        classes: tuple[str, ...],
        outer: ast.expr | None,
        base: ast.ClassDef | None,
    ) -> Iterator[WrittenCheck]:
        last = {node.name: node for node in body if isinstance(node, _DEFINITIONS)}
        for node in body:
            if isinstance(node, ast.ClassDef):
                mark = self._mark(node.decorator_list) or self._pytestmark(node.body) or outer
                yield from self._read_body(node.body, (*classes, node.name), mark, node)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                own = self._mark(node.decorator_list)
                mark = own or (outer if node.name.startswith("test") else None)
                if mark is not None and not _is_fixture(node):
                    yield self._make(node, classes, mark, last[node.name], base)

    def _make(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef,
        classes: tuple[str, ...],
        mark: ast.expr,
        last: ast.stmt,
        base: ast.ClassDef | None,
    ) -> WrittenCheck:
        return WrittenCheck(
            path=self._path,
            line=min([node.lineno, *(one.lineno for one in node.decorator_list)]),
            name=node.name,
            classes=classes,
            component=(component := _literal(mark)),
            redefined=None if last is node else last.lineno,
            obstacle=None if base is None else _obstacle(base),
            unittest=base is not None and any("TestCase" in ast.unparse(one) for one in base.bases),
            thresholds=tuple(
                f"{component}.{_literal(one)}"
                for one in node.decorator_list
                if ast.unparse(one).startswith("pytest.mark.threshold(")
            ),
        )

    def _pytestmark(self, body: Sequence[ast.stmt]) -> ast.expr | None:
        for node in body:
            if isinstance(node, ast.Assign) and "pytestmark" in _assigned_names(node):
                value = node.value
                marks = value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]
                return self._mark(marks)
        return None

    def _mark(self, expressions: Iterable[ast.expr]) -> ast.expr | None:
        """Return the health marker among decorators, also one that a name stands for."""
        for given in expressions:
            expression = given
            if isinstance(expression, ast.Name):
                expression = self._aliases.get(expression.id, expression)
            function = expression.func if isinstance(expression, ast.Call) else expression
            if not isinstance(function, ast.Attribute) or function.attr != "health":
                continue
            if "mark" in ast.unparse(function.value):
                return expression
        return None


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _assigned_names(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def _is_fixture(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("fixture" in ast.unparse(one) for one in node.decorator_list)


def _literal(mark: ast.expr) -> str | None:
    """Return the first argument of a marker, if it is a literal."""
    if isinstance(mark, ast.Call) and mark.args and isinstance(mark.args[0], ast.Constant):
        return str(mark.args[0].value)
    return None


def _obstacle(node: ast.ClassDef) -> str | None:
    """Return what in a class keeps pytest from collecting it."""
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef) and inner.name in ("__init__", "__new__"):
            return f"the class {node.name} has a method {inner.name}"
        if isinstance(inner, ast.Assign) and "__test__" in _assigned_names(inner):
            return f"the class {node.name} sets __test__ = {ast.unparse(inner.value)}"
    return None


def _compare(
    file: Path, known: set[tuple[str, int | str]], config: pytest.Config, *, given: bool
) -> Iterator[RunProblem]:
    """Yield what is wrong with the checks of one file."""
    source, folder = read_source(file), config.invocation_params.dir
    for check in source.checks:
        path = str(file.resolve())
        found = {(path, check.line), (path, check.qualified_name)} & known
        if found and not (check.redefined and (path, check.line) not in known):
            continue
        why = _explain(check, config, given=given)
        where = f"{show_path(file, folder)}:{check.line}"
        yield RunProblem(f"{where}: the check {check.qualified_name} was not collected: {why}")
    for line in source.tuple_assertions:
        yield RunProblem(describe_tuple_assertion(file, line, folder))


def _explain(check: WrittenCheck, config: pytest.Config, *, given: bool) -> str:
    """Return why pytest did not collect a check."""
    if check.redefined is not None:
        return f"{check.name} is defined again on line {check.redefined}"
    if check.obstacle is not None and not check.unittest:
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


def _locations(item: pytest.Item) -> Iterator[tuple[str, int | str]]:
    """Yield where the function of an item is defined: by name, and by its first line."""
    path = str(item.path.resolve())
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    name = str(getattr(item, "originalname", None) or item.name.partition("[")[0])
    yield path, ".".join((*classes, name))
    function: Any = getattr(item, "obj", None)
    function = function or getattr(getattr(item.parent, "obj", None), name, None)
    try:
        code = inspect.unwrap(function).__code__
    except (AttributeError, ValueError, TypeError):
        return
    yield str(Path(code.co_filename).resolve()), code.co_firstlineno


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

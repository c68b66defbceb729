"""Read the checks that are written in a source file, without importing it."""

from __future__ import annotations

import ast
import contextlib
import gc
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, get_args


class WrittenCheck(NamedTuple):
    """A check in a source file.

    Attributes:
        line: The first line of its definition, decorators included.
        classes: The classes around it, the outermost first.
        component: Of its marker; None if it is not a literal.
        redefined: The line on which the same name is defined again; None if it is not.
        obstacle: Why pytest does not collect what it is in; None if nothing speaks against it.
        conditional: Whether it is in a block that may not have run.
        unittest: Whether its class is a unittest.TestCase, whose name does not matter.
        thresholds: Their names with the component, ``redis.command.p95``, where both are literals.
    """

    path: Path
    line: int
    name: str
    classes: tuple[str, ...]
    component: str | None = None
    redefined: int | None = None
    obstacle: str | None = None
    conditional: bool = False
    unittest: bool = False
    thresholds: tuple[str, ...] = ()

    @property
    def qualified_name(self) -> str:
        """Its name with its classes: ``TestShop.test_up``."""
        return ".".join((*self.classes, self.name))

    @property
    def id(self) -> str | None:
        """Its id, without a parametrisation's brackets; None if the component is not a literal."""
        return self.component and f"{self.component}.{self.name.removeprefix('test_')}"


def parse_file(path: Path) -> ast.Module | None:
    """Return the syntax tree of a file; None if it can't be read."""
    try:
        return parse_source(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def parse_source(content: bytes) -> ast.Module:
    """Return the syntax tree of a source.

    Raises:
        SyntaxError: It is no Python.
        ValueError: It has null bytes.
    """
    # The tree is large and has no cycles: collecting garbage while it grows doubles the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(content)
    finally:
        if was_enabled:
            gc.enable()


Branches = tuple[tuple[ast.AST, str], ...]
"""The blocks around a statement, the outermost first, and the part of each: ``body`` or ``orelse``."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

_COMPOUND = (
    *get_args(Definition),
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith),
    *(ast.Try, ast.TryStar, ast.Match, ast.ExceptHandler, ast.match_case),
)
"""What contains statements."""


class _Scope(NamedTuple):
    """What surrounds a definition.

    Attributes:
        names: The classes and functions around it, the outermost first.
        mark: The health marker that it inherits.
        obstacle: Why pytest collects nothing in there.
        unittest: Whether it is in a unittest.TestCase.
    """

    names: tuple[str, ...] = ()
    mark: ast.expr | None = None
    obstacle: str | None = None
    unittest: bool = False


class CheckReader:
    """Read the checks of a module: decorators, `pytestmark`, and names that stand for a marker.

    Args:
        path: The module's file; modules beside it are read for markers that it imports from there.
        module: Its syntax tree.
    """

    def __init__(self, path: Path, module: ast.Module) -> None:
        self._path = path
        self._module = module
        self._values: dict[str, ast.AST] = {}
        self._imports: dict[str, str] = {}
        self._star_imports: list[str] = []
        for node, _ in _iterate_statements(module.body):
            for name, value in _assignments(node):
                self._values[name] = value
            if isinstance(node, Definition):
                self._values[node.name] = node
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                self._add_imports(node)

    def _add_imports(self, node: ast.Import | ast.ImportFrom) -> None:
        origin = ""
        if isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "") + "."
        for alias in node.names:
            if alias.name == "*":
                self._star_imports.append(origin[:-1])
            else:
                name = alias.asname or (alias.name if origin else alias.name.partition(".")[0])
                self._imports[name] = origin + (alias.name if alias.asname or origin else name)

    def read(self) -> Iterator[WrittenCheck]:
        """Yield every check, in the order of the file."""
        yield from self._read_body(
            self._module.body, _Scope(mark=self._pytestmark(self._module.body))
        )
        for line, source in _find_executed(self._module):
            executed = CheckReader(self._path, source)
            executed._values = self._values | executed._values
            executed._imports = self._imports | executed._imports
            for check in executed.read():
                yield check._replace(line=line, conditional=True)

    def resolve_mark(
        self, expression: ast.AST, seen: frozenset[tuple[Path, str]] = frozenset()
    ) -> ast.expr | None:
        """Return the health marker in an expression, or in what its names stand for.

        Args:
            expression: A decorator, or the definition of a function or class that one uses.
            seen: The files and names that are being resolved already.
        """
        local = _find_local_names(expression)
        for node in _walk_value(expression):
            if isinstance(node, ast.Call) and self._is_mark(node.func):
                return node
            if isinstance(node, (ast.Attribute, ast.Name)):
                if self._is_mark(node):
                    return node
                name = node.id if isinstance(node, ast.Name) else self._qualified_name(node)
                if name.partition(".")[0] not in local and (self._path, name) not in seen:
                    found = self._resolve_name(node, seen | {(self._path, name)})
                    if found is not None:
                        return found
        return None

    def _follow_names(self, expression: ast.AST) -> ast.AST:
        """Return what a name of this module stands for."""
        value = self._values.get(expression.id) if isinstance(expression, ast.Name) else None
        return expression if value in (None, expression) else value

    def _is_mark(self, expression: ast.expr) -> bool:
        return self._qualified_name(expression).endswith("mark.health")

    def _resolve_name(
        self, node: ast.Attribute | ast.Name, seen: frozenset[tuple[Path, str]]
    ) -> ast.expr | None:
        if isinstance(node, ast.Name) and node.id in self._values:
            return self.resolve_mark(self._values[node.id], seen)
        module, _, imported = self._qualified_name(node).rpartition(".")
        modules = [module] if module else self._star_imports
        readers = (_find_module(self._path, origin) for origin in modules)
        marks = (reader.resolve_mark(ast.Name(imported), seen) for reader in readers if reader)
        return next((mark for mark in marks if mark is not None), None)

    def _qualified_name(self, expression: ast.expr) -> str:
        if isinstance(expression, ast.Attribute):
            return f"{self._qualified_name(expression.value)}.{expression.attr}"
        if not isinstance(expression, ast.Name):
            return ""
        value = self._values.get(expression.id)
        if isinstance(value, (ast.Attribute, ast.Name)) and value is not expression:
            return self._qualified_name(value)
        return self._imports.get(expression.id, expression.id)

    def _read_body(self, body: Sequence[ast.stmt], scope: _Scope) -> Iterator[WrittenCheck]:
        statements = list(_iterate_statements(body))
        bindings: dict[str, list[tuple[ast.AST, Branches]]] = {}
        for node, branches in statements:
            for name in _find_bound_names(node):
                bindings.setdefault(name, []).append((node, branches))
        for node, branches in statements:
            if isinstance(node, Definition):
                again = _find_redefinition(node, branches, bindings[node.name])
                yield from self._read_definition(node, scope, again, conditional=bool(branches))
            yield from self._read_assignments(node, scope)

    def _read_assignments(self, node: ast.AST, scope: _Scope) -> Iterator[WrittenCheck]:
        """Yield what a marker was applied to by a call: ``test_up = redis(check_up)``."""
        for name, value in _assignments(node):
            if not isinstance(value, ast.Call):
                continue
            mark = self._follow_names(value.func)
            if isinstance(mark, ast.Call) and self._is_mark(mark.func):
                obstacle = None
                if value.args and not isinstance(value.args[0], ast.Name):
                    obstacle = "only what is defined with def can be marked"
                inner = scope._replace(obstacle=scope.obstacle or obstacle)
                yield self._make(node, name, inner, mark)

    def _read_definition(
        self, node: Definition, scope: _Scope, again: int | None, *, conditional: bool
    ) -> Iterator[WrittenCheck]:
        mark = self._mark(node.decorator_list)
        names = (*scope.names, node.name)
        if isinstance(node, ast.ClassDef):
            unittest = any("TestCase" in ast.unparse(base) for base in node.bases)
            obstacle = scope.obstacle or (None if unittest else _find_obstacle(node))
            if again is not None:
                obstacle = f"the class {node.name} is defined again on line {again}"
            mark = mark or self._pytestmark(node.body) or scope.mark
            yield from self._read_body(node.body, _Scope(names, mark, obstacle, unittest))
            return
        mark = mark or (scope.mark if node.name.startswith("test") else None)
        if mark is not None and not _is_fixture(node):
            check = self._make(node, node.name, scope, mark)
            yield check._replace(redefined=again, conditional=conditional)
        if any(isinstance(statement, _COMPOUND) for statement in node.body):
            inside = _Scope(names, obstacle=f"it is inside the function {node.name}")
            yield from self._read_body(node.body, inside)

    def _make(self, node: ast.AST, name: str, scope: _Scope, mark: ast.expr) -> WrittenCheck:
        decorators: list[ast.expr] = getattr(node, "decorator_list", [])
        component = _literal(mark)
        return WrittenCheck(
            path=self._path,
            line=min(part.lineno for part in (node, *decorators)),  # type: ignore[attr-defined]  # statements
            name=name,
            classes=scope.names,
            component=component,
            obstacle=scope.obstacle,
            unittest=scope.unittest,
            thresholds=tuple(
                f"{component}.{_literal(decorator)}"
                for decorator in decorators
                if isinstance(decorator, ast.Call) and _last_name(decorator.func) == "threshold"
            ),
        )

    def _pytestmark(self, body: Sequence[ast.stmt]) -> ast.expr | None:
        values = [
            value
            for node, _ in _iterate_statements(body)
            for name, value in _assignments(node)
            if name == "pytestmark"
        ]
        marks = [
            mark
            for value in values
            for mark in (value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value])
        ]
        return self._mark(marks)

    def _mark(self, expressions: Iterable[ast.expr]) -> ast.expr | None:
        marks = (self.resolve_mark(expression) for expression in expressions)
        return next((mark for mark in marks if mark is not None), None)


def _iterate_statements(
    body: Iterable[ast.AST], branches: Branches = ()
) -> Iterator[tuple[ast.AST, Branches]]:
    """Yield the statements of a body and of the blocks in it, each with the branches it is in."""
    for node in body:
        yield node, branches
        if isinstance(node, _COMPOUND) and not isinstance(node, Definition):
            for part in ("body", "handlers", "cases", "orelse", "finalbody"):
                inner = getattr(node, part, None)
                if isinstance(inner, list):
                    yield from _iterate_statements(inner, (*branches, (node, part)))


def _find_redefinition(
    node: Definition, branches: Branches, same_name: Sequence[tuple[ast.AST, Branches]]
) -> int | None:
    """Return the line on which the name is defined again, unless only one of both can run."""
    return max(
        (
            line
            for other, others in same_name
            if (line := getattr(other, "lineno", 0)) > node.lineno
            and not any(dict(others).get(block, part) != part for block, part in branches)
        ),
        default=None,
    )


def _find_bound_names(node: ast.AST) -> set[str]:
    """Return the names that a statement defines, assigns, imports or deletes, but not those that it uses."""
    if isinstance(node, Definition):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    blocks = (ast.stmt, ast.ExceptHandler, ast.match_case)
    parts = [part for part in ast.iter_child_nodes(node) if not isinstance(part, blocks)]
    names = [name for part in parts for name in ast.walk(part) if isinstance(name, ast.Name)]
    used = {name.id for name in names if isinstance(name.ctx, ast.Load)}
    return {name.id for name in names} - used


def _walk_value(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of an expression, or of what a function or class does: not its own decorators."""
    parts: Sequence[ast.AST] = [node]
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        parts = node.body
    elif isinstance(node, ast.ClassDef):
        parts = [part for part in node.body if not isinstance(part, Definition)]
    for part in parts:
        yield from ast.walk(part)


def _find_local_names(node: ast.AST) -> set[str]:
    """Return the parameters and variables of a function: they are not the module's names."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return set()
    parts = [*ast.walk(node)]
    parameters = {part.arg for part in parts if isinstance(part, ast.arg)}
    return parameters | {
        part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    }


_MOST_PARENTS = 5
_OWN_PACKAGE = __name__.partition(".")[0]


@lru_cache(maxsize=64)
def _find_module(importer: Path, name: str) -> CheckReader | None:
    """Return the project's module of a dotted name; None for a module from elsewhere."""
    if name.partition(".")[0] == _OWN_PACKAGE:
        return None  # it is beside the bundled checks, is large, and defines no marker
    level = len(name) - len(name.lstrip("."))
    folders = [importer.parents[level - 1]] if level else [*importer.parents][:_MOST_PARENTS]
    relative = name[level:].replace(".", "/")
    for folder in folders:
        for path in (folder / f"{relative}.py", folder / relative / "__init__.py"):
            tree = parse_file(path) if relative and path != importer and path.is_file() else None
            if tree is not None:
                return CheckReader(path, tree)
    return None


def _assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names to which a statement assigns, each with the value."""
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        targets = [node.target]
    else:
        return
    for target in targets:
        if isinstance(target, ast.Name) and node.value is not None:
            yield target.id, node.value


def _find_executed(module: ast.Module) -> Iterator[tuple[int, ast.Module]]:
    """Yield the sources that a module gives to `exec` as a literal, each with its line."""
    for node, _ in _iterate_statements(module.body):
        match node:
            case ast.Expr(ast.Call(ast.Name("exec"), [ast.Constant(str(text)), *_])):
                with contextlib.suppress(SyntaxError, ValueError):
                    yield node.lineno, ast.parse(text)


def _is_fixture(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("fixture" in _last_name(decorator) for decorator in node.decorator_list)


def _last_name(expression: ast.expr) -> str:
    """Return the last part of a dotted name, also of what is called."""
    function = expression.func if isinstance(expression, ast.Call) else expression
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _literal(mark: ast.expr) -> str | None:
    """Return the first argument of a marker, if it is a literal."""
    if isinstance(mark, ast.Call) and mark.args and isinstance(mark.args[0], ast.Constant):
        return str(mark.args[0].value)
    return None


def _find_obstacle(node: ast.ClassDef) -> str | None:
    """Return what in a class keeps pytest from collecting it."""
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef) and inner.name in ("__init__", "__new__"):
            return f"the class {node.name} has a method {inner.name}"
        for name, value in _assignments(inner):
            if name == "__test__":
                return f"the class {node.name} sets __test__ = {ast.unparse(value)}"
    return None

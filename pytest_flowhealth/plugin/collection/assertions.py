"""Find the assertions in a source file that are always true, and so check nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Container
from pathlib import Path

from pytest_flowhealth.plugin.collection.sources import parse_source

_ASSERTED_VALUE = re.compile(
    rb"\bassert(?:[\s\\]*[(\[{'\"]|[\s\\]+(?:lambda\b|[rRbBfFuU]{1,2}['\"]))"
)
_ASSERTED_NAME = re.compile(rb"\bassert[ \t]+(\w+)[ \t]*(?:,|#|\r?$)", re.MULTILINE)


def find_vain_assertions(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a file's assertions that are always true, each with what it is on."""
    try:
        content = path.read_bytes()
        module = parse_source(content) if _may_assert_in_vain(content) else ast.Module([], [])
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    nodes = [*ast.walk(module)]
    functions = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    functions -= {node.arg for node in nodes if isinstance(node, ast.arg)}
    functions -= {
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    tests = [node.test for node in nodes if isinstance(node, ast.Assert)]
    kinds = [(test.lineno, _find_constant_kind(test, functions)) for test in tests]
    return [(line, kind) for line, kind in kinds if kind is not None]


def _may_assert_in_vain(content: bytes) -> bool:
    names = _ASSERTED_NAME.findall(content)
    return _ASSERTED_VALUE.search(content) is not None or any(
        b"def %s(" % name in content for name in names
    )


def _find_constant_kind(expression: ast.expr, functions: Container[str]) -> str | None:
    """Return what an expression is if it is true whatever happens."""
    kind = None
    match expression:
        case ast.Tuple(parts) | ast.List(parts) | ast.Set(parts):
            if any(not isinstance(part, ast.Starred) for part in parts):
                kind = f"a {type(expression).__name__.lower()}"
        case ast.Dict(keys) if any(key is not None for key in keys):
            kind = "a dict"
        case ast.Constant(str(text)) if text:
            kind = "a text"
        case ast.JoinedStr(parts) if any(isinstance(part, ast.Constant) for part in parts):
            kind = "a text"
        case ast.Lambda() | ast.GeneratorExp():
            kind = "a function" if isinstance(expression, ast.Lambda) else "a generator"
        case ast.Name(name) if name in functions:
            kind = f"the function {name}, which is not called,"
    return kind

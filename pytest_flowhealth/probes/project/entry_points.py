"""The files by which a package.json is loaded, bundled or linked: `exports`, `main`, `module`, `bin`."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

import msgspec

DEFAULT_MAIN = "index.js"
"""What `npm init` writes as `main`, whether or not there is such a file."""

_MAIN_ENDINGS = ("", ".js", ".json", ".node", "/index.js", "/index.json", "/index.node")
_TYPE_ENDINGS = ("", ".d.ts", ".ts", "/index.d.ts")


class EntryPoint(msgspec.Struct, frozen=True):
    """A field of package.json that names a file.

    Attributes:
        field: Such as `main` or `exports["./x"].import`.
        paths: The paths that it may be at, as written; one of them must exist.
        endings: What may be added to each path.
        is_types: Whether only the compiler of types reads it.
    """

    field: str
    paths: tuple[str, ...]
    endings: tuple[str, ...] = ("",)
    is_types: bool = False


def entry_points(manifest: dict[str, Any]) -> list[EntryPoint]:
    """Return the files that a package.json names; a file that two fields name is returned once.

    Patterns name no file in particular, and are left out.

    Args:
        manifest: package.json as JSON decodes it; fields of another type are ignored.
    """
    found = [*_exports(manifest.get("exports")), *_commands(manifest.get("bin"))]
    for field in ("main", "module", "types", "typings"):
        path = manifest.get(field)
        if isinstance(path, str) and path:
            types = field.startswith("typ")
            endings = _TYPE_ENDINGS if types else _MAIN_ENDINGS
            found.append(EntryPoint(field, (path,), endings, types))
    unique: dict[tuple[str, ...], EntryPoint] = {}
    for entry in found:
        unique.setdefault(tuple(map(posixpath.normpath, entry.paths)), entry)
    return list(unique.values())


def export_patterns(manifest: dict[str, Any]) -> list[str]:
    """Return the targets in `exports` with a `*`: each stands for any number of files, also none."""
    return [path for path in _strings(manifest.get("exports")) if "*" in path]


def _commands(commands: object) -> Iterator[EntryPoint]:
    if isinstance(commands, str):
        yield EntryPoint("bin", (commands,))
    elif isinstance(commands, dict):
        for name, path in commands.items():
            if isinstance(path, str):
                yield EntryPoint(f"bin.{name}", (path,))


def _exports(exports: object) -> Iterator[EntryPoint]:
    """Yield each target of `exports`, under whatever conditions.

    An explicit stack: nothing limits how deep conditions are nested.
    """
    waiting: list[tuple[str, object]] = [("exports", exports)]
    while waiting:
        field, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(_below(field, key), below) for key, below in reversed(value.items())]
            continue
        # In an array, Node takes the first valid target, bundlers and TypeScript the first that exists.
        paths = tuple(_strings(value))
        if paths and not any("*" in path or path.endswith("/") for path in paths):
            yield EntryPoint(field, paths, is_types=field.rpartition(".")[2].startswith("types"))


def _strings(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, str):
            yield current
        elif isinstance(current, list):
            waiting += reversed(current)
        elif isinstance(current, dict):
            waiting += reversed(current.values())


def _below(field: str, key: str) -> str:
    field = f"{field[:120]}..." if len(field) > 120 else field
    return f'{field}["{key}"]' if key.startswith(".") else f"{field}.{key}"

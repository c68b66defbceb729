"""The file that Node loads of a package, looked up without running it.

nodejs.org/api/packages.html, "Package entry points"; the parts that matter for
finding the file of the name alone.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path

from pytest_flowhealth.config.manifest import Manifest, read_manifest
from pytest_flowhealth.errors import CheckFailed

CODE = frozenset((".js", ".cjs", ".mjs", ".json", ".node"))
"""Extensions of what Node loads."""

ON_PURPOSE = frozenset(("client-only", "server-only", "@standard-schema/spec"))
"""Well-known packages that are published with an empty entry file."""

_WAYS = ("require", "import")
_ALWAYS = ("node", "node-addons", "module-sync", "default")
_ENDS = ("", ".js", ".json", ".node", "/index.js", "/index.json", "/index.node")
_DEPTH = 20


def empty_entry(folder: Path) -> str | None:
    """Return the package's entry file where it has no byte, as a path in `folder`; else None.

    Not told where it is known, or likely, to be meant: of `ON_PURPOSE`, and of a
    package for one platform, which is there for its binary.
    """
    try:
        return next((name for name in _entries(folder) if _is_empty(folder / name)), None)
    except (OSError, ValueError):
        return None


def is_command(folder: Path, manifest: Manifest) -> bool:
    """Tell whether a package is a command only: the entry that it names was never published.

    So is `prisma`: its `main` is the command's file, and the file in its `exports` is for its types.
    """
    commands = {posixpath.normpath(one) for one in manifest.bin.values()}
    main = posixpath.normpath(manifest.main) if manifest.main else None
    if main not in commands or not (folder / main).is_file():
        return False
    targets = [_target(_dot(manifest.exports), way, _DEPTH) for way in _WAYS]
    return any(targets) and not any((folder / one).exists() for one in targets if one)


def _entries(folder: Path) -> Iterator[str]:
    yield "package.json"
    try:
        manifest = read_manifest(folder / "package.json", strict=False)
    except CheckFailed:
        return
    if manifest.name in ON_PURPOSE or manifest.os or manifest.cpu:
        return
    if manifest.exports is not None:
        targets = (_target(_dot(manifest.exports), way, _DEPTH) for way in _WAYS)
        yield from (posixpath.normpath(one) for one in targets if one)
        return
    for name in (manifest.main, "index"):
        found = next((name + end for end in _ENDS if (folder / (name + end)).is_file()), None) if name else None  # fmt: skip
        if found:
            yield posixpath.normpath(found)
            return


def _dot(exports: object) -> object:
    """Return what `exports` has for the package's name alone."""
    if isinstance(exports, dict) and any(str(key).startswith(".") for key in exports):
        return exports.get(".")
    return exports


def _target(exports: object, way: str, depth: int) -> str | None:
    """Return the file that conditions lead to."""
    if isinstance(exports, str):
        return exports
    if isinstance(exports, list):
        rows = list(exports)
    elif isinstance(exports, dict):
        rows = [value for key, value in exports.items() if key == way or key in _ALWAYS]
    else:
        return None
    found = (_target(one, way, depth - 1) for one in rows) if depth else iter(())
    return next((one for one in found if one), None)


def _is_empty(path: Path) -> bool:
    return path.suffix in CODE and path.is_file() and path.stat().st_size == 0

"""npm's workspaces: the folders that package.json's patterns name (github.com/npm/map-workspaces)."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pytest_flowhealth.config.files import reason
from pytest_flowhealth.config.manifest import Manifest, Package, read_manifest
from pytest_flowhealth.config.problems import quote
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable

_MOST_FOLDERS = 20_000
_MOST_PATTERNS = 1_000
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_BEYOND = re.compile(r"[\[\](){}\\]")
_MAGIC = re.compile(r"[*?]")


def workspaces(root: Path, manifest: Manifest) -> tuple[Package, ...]:
    """Return the root package, then each workspace in the order of its path.

    Patterns as npm's map-workspaces reads them: ``*``, ``**``, ``?``, ``{a,b}``,
    and ``!`` for what is left out. node_modules is never entered.

    Raises:
        CheckFailed: A pattern leads out of the project, or a workspace's
            package.json can't be read.
        MeasurementUnavailable: A pattern says more than that, leads through too many folders
            or through one that can't be read: workspaces could be missed.
    """
    packages = [Package(root, ".", manifest)]
    for label in _labels(root, manifest.workspaces):
        try:
            found = read_manifest(root / label / "package.json")
        except CheckFailed as error:
            raise CheckFailed(f"workspace {label}: {error.message}", remedy=error.remedy) from None
        packages.append(Package(root / label, label, found))
    return tuple(packages)


def _labels(root: Path, patterns: tuple[str, ...]) -> list[str]:
    written = [(pattern.startswith("!"), path) for pattern in patterns for path in _paths(pattern)]
    folders = list(_folders(root, max(map(_depth, (path for _, path in written)), default=0)))
    found: dict[str, None] = {}
    for left_out, path in written:
        matches = _matcher(path)
        named = [path] if _is_package(root, path) else []
        for folder in [
            *named,
            *(folder_label for folder_label in folders if matches.fullmatch(folder_label)),
        ]:
            found.pop(folder, None) if left_out else found.setdefault(folder)
    return sorted(found)


def _depth(path: str) -> float:
    """Return the depth below the root at which a pattern can match; 0 for a plain path."""
    if not _MAGIC.search(path):
        return 0
    return math.inf if "**" in path else path.count("/") + 1


def _is_package(root: Path, path: str) -> bool:
    """Return whether a pattern is a plain path to a package, which may be hidden or a link."""
    return path != "." and not _MAGIC.search(path) and (root / path / "package.json").exists()


def _paths(pattern: str) -> list[str]:
    """Expand the braces of a pattern: `a/{b,c}` is `a/b` and `a/c`."""
    done: list[str] = []
    todo = [pattern.removeprefix("!")]
    while todo:
        path = todo.pop()
        braces = _BRACES.search(path)
        if braces is None:
            done.append(_checked(pattern, path))
        else:
            before, after = path[: braces.start()], path[braces.end() :]
            todo += [f"{before}{part}{after}" for part in braces[1].split(",")]
        if len(todo) + len(done) > _MOST_PATTERNS:
            raise _unread(pattern, f"it stands for more than {_MOST_PATTERNS:,} paths")
    return done


def _checked(pattern: str, path: str) -> str:
    if _BEYOND.search(path) or "\0" in path:
        raise _unread(pattern, "only *, **, ?, {a,b} and ! are")
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        raise CheckFailed(f"package.json: the workspace {quote(pattern)} leads out of the project")
    return str(pure)


def _unread(pattern: str, why: str) -> MeasurementUnavailable:
    return MeasurementUnavailable(
        f"package.json: the workspace {quote(pattern)} is not understood: {why}",
        remedy="name the folders in package.json's workspaces plainly",
    )


def _matcher(path: str) -> re.Pattern[str]:
    expression = re.escape(path).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*")
    return re.compile(expression.replace(r"\*", "[^/]*").replace(r"\?", "[^/]"), re.DOTALL)


def _folders(root: Path, deepest: float) -> Iterator[str]:
    """Yield the folders below `root` that have a package.json, as paths with slashes."""
    for count, (name, names, files) in enumerate(os.walk(root, onerror=_refuse, followlinks=True)):
        if count > _MOST_FOLDERS:
            raise MeasurementUnavailable(
                f"package.json's workspaces lead through more than {_MOST_FOLDERS:,} folders",
                remedy="name the folders in package.json's workspaces plainly",
            )
        folder = Path(name)
        inner = folder.relative_to(root)
        names[:] = sorted(
            folder_name
            for folder_name in names
            if folder_name != "node_modules" and not folder_name.startswith(".")
        )
        if len(inner.parts) >= deepest or _leads_back(folder):
            names.clear()
        if "package.json" in files and inner.parts:
            yield inner.as_posix()


def _leads_back(folder: Path) -> bool:
    """Return whether a folder is a link to one of its parents."""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def _refuse(error: OSError) -> None:
    raise MeasurementUnavailable(
        f"package.json's workspaces: {error.filename} can't be read: {reason(error)}"
    )

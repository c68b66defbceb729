"""npm's workspaces: the folders that package.json's patterns name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pytest_flowhealth.config.manifest import Manifest, Package, read_manifest
from pytest_flowhealth.errors import ProbeError

_MOST_FOLDERS = 20_000


def workspaces(root: Path, manifest: Manifest) -> tuple[Package, ...]:
    """Return the root package, then each workspace in the order of its path.

    Patterns as npm's map-workspaces reads them: ``*``, ``**``, ``?``, and ``!``
    for what is left out. node_modules is never entered, no link followed.

    Raises:
        ProbeError: A pattern leads out of the project, or a workspace's
            package.json can't be read.
    """
    packages = [Package(root, ".", manifest)]
    for label in _labels(root, manifest.workspaces):
        try:
            found = read_manifest(root / label / "package.json")
        except ProbeError as error:
            raise ProbeError(f"workspace {label}: {error.message}", remedy=error.remedy) from None
        packages.append(Package(root / label, label, found))
    return tuple(packages)


def _labels(root: Path, patterns: tuple[str, ...]) -> list[str]:
    if not patterns:
        return []
    found: dict[str, None] = {}
    folders = list(_folders(root))
    for pattern in patterns:
        left_out = pattern.startswith("!")
        matches = _matcher(pattern.removeprefix("!"))
        for folder in folders:
            if matches.fullmatch(folder):
                found.pop(folder, None) if left_out else found.setdefault(folder)
    return sorted(found)


def _matcher(pattern: str) -> re.Pattern[str]:
    path = PurePosixPath(pattern)
    if path.is_absolute() or ".." in path.parts:
        raise ProbeError(f"package.json: the workspace {pattern!r} leads out of the project")
    expression = re.escape(str(path)).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*")
    return re.compile(expression.replace(r"\*", "[^/]*").replace(r"\?", "[^/]"))


def _folders(root: Path) -> Iterator[str]:
    """Yield the folders below `root` that have a package.json, as paths with slashes."""
    for count, (folder, names, files) in enumerate(os.walk(root)):
        if count > _MOST_FOLDERS:
            return
        names[:] = sorted(one for one in names if one != "node_modules" and not one.startswith("."))
        if "package.json" in files and Path(folder) != root:
            yield Path(folder).relative_to(root).as_posix()

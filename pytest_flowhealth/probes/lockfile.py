"""Lock files: which one a project has, and whether npm's is in step with the rest.

Format: docs.npmjs.com, "package-lock.json", lockfileVersion 2 and 3.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from pytest_flowhealth.config.files import read_text
from pytest_flowhealth.config.manifest import Manifest, Package, read_manifest
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable

NPM = ("npm-shrinkwrap.json", "package-lock.json")
"""npm's lock files; the first one that is there counts."""

HIDDEN = ".package-lock.json"
"""npm's note in node_modules of what it installed there (docs.npmjs.com, "Hidden Lockfiles")."""

OTHERS = {
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
}
"""Lock files of other package managers."""

_LARGEST = 100 * 2**20
_SHOWN = 100


class Lock(msgspec.Struct, frozen=True):
    """npm's lock file: its name and its `packages`, by their place."""

    name: str
    packages: dict[str, dict[str, Any]]


class Deprecated(msgspec.Struct, frozen=True):
    """A deprecated package, with npm's message; `direct` where package.json names it."""

    name: str
    version: str
    message: str
    direct: bool


def manager(root: Path) -> str | None:
    """Return the package manager whose lock file is there: npm first, else pnpm, yarn, bun."""
    if any((root / name).exists() for name in NPM):
        return "npm"
    return next((told for name, told in OTHERS.items() if (root / name).exists()), None)


def read_lock(root: Path) -> Lock | None:
    """Return npm's lock file, or None where there is none.

    Raises:
        CheckFailed: It can't be read.
        MeasurementUnavailable: It has lockfileVersion 1, which tells too little.
    """
    name = next((one for one in NPM if (root / one).exists() or (root / one).is_symlink()), None)
    if name is None:
        return None
    remedy = "npm install --package-lock-only"
    try:
        raw = json.loads(read_text(root / name, largest=_LARGEST))
    except CheckFailed as error:
        raise CheckFailed(error.message, remedy=remedy) from None
    except (ValueError, RecursionError):
        raise CheckFailed(f"{name} is no JSON that can be read", remedy=remedy) from None
    if isinstance(raw, dict) and raw.get("lockfileVersion") == 1 and "packages" not in raw:
        raise MeasurementUnavailable(
            f"{name} has lockfileVersion 1, which tells too little", remedy=remedy
        )
    packages = raw.get("packages") if isinstance(raw, dict) else None
    if not isinstance(packages, dict):
        raise CheckFailed(f"{name} has no `packages`", remedy=remedy)
    return Lock(name, {str(key): one for key, one in packages.items() if isinstance(one, dict)})


def read_hidden(modules: Path) -> Lock | None:
    """Return npm's note of what it installed in `modules`, or None where there is none to read."""
    try:
        raw = json.loads(read_text(modules / HIDDEN, largest=_LARGEST))
    except (CheckFailed, ValueError, RecursionError):
        return None
    packages = raw.get("packages") if isinstance(raw, dict) else None
    if not isinstance(packages, dict):
        return None
    return Lock(HIDDEN, {str(key): one for key, one in packages.items() if isinstance(one, dict)})


def out_of_step(lock: Lock, packages: tuple[Package, ...]) -> list[str]:
    """Return where package.json asks for something else than the lock file was made for."""
    found = []
    for package in packages:
        place = "" if package.label == "." else package.label
        prefix = f"{place}: " if place else ""
        entry = lock.packages.get(place)
        if entry is None:
            found.append(f"{prefix}{lock.name} does not know it")
            continue
        for name, asks, locked in _different(package.manifest, entry):
            asked = (
                f"package.json has no {name}"
                if asks is None
                else f"package.json asks for {name}@{asks[:_SHOWN]}"
            )
            has = (
                f"{lock.name} has none" if locked is None else f"{lock.name} for {locked[:_SHOWN]}"
            )
            found.append(f"{prefix}{asked}, {has}")
    return found


def not_as_locked(lock: Lock, root: Path) -> list[str]:
    """Return the packages that are installed in another version than the lock file has.

    What is not installed at all is told only where it is needed everywhere: not
    optional, not for development, not for other platforms.
    """
    found = []
    for place, entry in lock.packages.items():
        if not is_inside(place) or entry.get("link") or entry.get("extraneous"):
            continue
        locked, installed = entry.get("version"), _installed(root / place)
        name = place.rpartition("node_modules/")[2]
        if installed is None:
            if not any(
                entry.get(flag) for flag in ("optional", "dev", "devOptional", "peer", "os", "cpu")
            ):
                found.append(f"{name}@{locked} is locked, but not installed")
        elif isinstance(locked, str) and installed != locked:
            found.append(f"{name}@{installed} is installed, {locked} is locked")
    return found


def deprecated(lock: Lock, packages: tuple[Package, ...]) -> list[Deprecated]:
    """Return the deprecated packages in the lock file, the direct ones first."""
    direct = {name for package in packages for name in wanted(package.manifest)}
    found = []
    for place, entry in lock.packages.items():
        message = entry.get("deprecated")
        if isinstance(message, str):
            name = place.rpartition("node_modules/")[2]
            top = place.count("node_modules/") == 1 and name in direct
            found.append(Deprecated(name, str(entry.get("version")), message, top))
    return sorted(found, key=lambda one: (not one.direct, one.name))


def wanted(manifest: Manifest) -> dict[str, str]:
    """Return the specs of all that is to be installed, by name; optional ones win, as in npm."""
    return manifest.dev_dependencies | manifest.dependencies | manifest.optional_dependencies


def is_inside(place: str) -> bool:
    """Tell whether an entry is an installed package's, in the project's own folder."""
    parts = place.split("/")
    return "node_modules" in parts and ".." not in parts and parts[0] != "" and "\0" not in place


def _different(
    manifest: Manifest, entry: dict[str, Any]
) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield name, what package.json wants and what is locked, where they differ."""
    kinds = ("devDependencies", "dependencies", "optionalDependencies")
    pairs = (
        (wanted(manifest), _specs(entry, *kinds)),
        (manifest.peer_dependencies, _specs(entry, "peerDependencies")),
    )
    for asked, locked in pairs:
        for name in sorted({*asked, *locked}):
            if asked.get(name) != locked.get(name):
                yield name, asked.get(name), locked.get(name)


def _specs(entry: dict[str, Any], *kinds: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind in kinds:
        part = entry.get(kind)
        if isinstance(part, dict):
            found |= {name: str(spec) for name, spec in part.items()}
    return found


def _installed(folder: Path) -> str | None:
    try:
        return read_manifest(folder / "package.json", strict=False).version or "?"
    except CheckFailed:
        return None

"""What `npm outdated` says: which dependencies are behind, and of which nothing is known."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pytest_flowhealth.config import semver
from pytest_flowhealth.config.manifest import Package
from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes import command
from pytest_flowhealth.probes.npm import (
    ANSWERED,
    SECONDS,
    is_registered,
    needed,
    own_manifest,
    parse_object,
    run,
    unreadable,
)

_ASKED = re.compile(r"^npm http (?:fetch \w+ \d+|cache) \S+", re.MULTILINE)


class Behind(msgspec.Struct, frozen=True):
    """A dependency with a newer version; `major` where the newer one is incompatible.

    `name` is what it is installed as; `alias` is the package that it really is,
    where that has another name.
    """

    name: str
    current: str
    wanted: str
    latest: str
    major: bool
    alias: str | None = None

    @property
    def newest(self) -> str:
        """What to hand to `npm install` to get the latest version."""
        return f"{self.name}@npm:{self.alias}@latest" if self.alias else f"{self.name}@latest"


class Outdated(msgspec.Struct, frozen=True):
    """The dependencies that are behind, and those that the registry did not tell of."""

    behind: tuple[Behind, ...]
    untold: tuple[str, ...]


def outdated(root: Path, packages: Sequence[Package], timeout: float = SECONDS) -> Outdated:
    """Return the direct dependencies that are behind the registry's latest version.

    Args:
        root: The project's folder.
        packages: The project itself, and its workspaces.
        timeout: Seconds that npm may take.

    Raises:
        CheckFailed: There is no npm.
        MeasurementUnavailable: The registry did not answer, or npm's answer can't be read.
    """
    return parse_outdated(run(root, ["outdated"], timeout), packages)


def parse_outdated(done: command.Completed, packages: Sequence[Package]) -> Outdated:
    """Return what `npm outdated --json` has printed for `packages`; as `outdated`."""
    answer = parse_object("outdated", done)
    entries = [(name, one) for name, each in answer.items() for one in _listed(each)]
    if not all(_is_entry(one) for _, one in entries) or done.returncode not in (0, 1):
        raise unreadable("outdated", done, answer)
    behind = [_behind(name, one) for name, one in entries if "current" in one]
    _require_asked(done, packages)
    told = [(_names(name)[0], one["wanted"]) for name, one in entries]
    untold = _refused(done).union(*(_unmatched(one, told) for one in packages))
    return Outdated(tuple(dict.fromkeys(behind)), tuple(sorted(untold)))


def is_behind_major(current: str, latest: str) -> bool:
    """Tell whether `latest` is incompatible with `current`: another major, or minor of 0.x."""
    try:
        have, there = semver.parse_version(current), semver.parse_version(latest)
    except ValueError:
        return False
    depth = 1 if have.major or there.major else 2
    return have[:depth] < there[:depth]


def _listed(told: object) -> list[Any]:
    """Return an entry of `npm outdated`: a list where several workspaces ask for the package."""
    return told if isinstance(told, list) else [told]


def _is_entry(told: object) -> bool:
    """Tell whether it is one; `current` is absent where the package is not installed."""
    if not isinstance(told, dict):
        return False
    return all(
        isinstance(one, str)
        for one in (told.get("wanted"), told.get("latest"), told.get("current", ""))
    )


def _behind(name: str, told: Mapping[str, str]) -> Behind:
    current, latest = told["current"], told["latest"]
    plain, alias = _names(name)
    return Behind(plain, current, told["wanted"], latest, is_behind_major(current, latest), alias)


def _names(told: str) -> tuple[str, str | None]:
    """Return a dependency's name, and of an alias, told as NAME:PACKAGE@RANGE, the package."""
    name, colon, package = told.partition(":")
    scope, at, rest = package.rpartition("@")
    return (name, scope or f"{at}{rest}") if colon else (name, None)


def _require_asked(done: command.Completed, packages: Sequence[Package]) -> None:
    """Raise where npm's log does not show that the registry, or its cache, was asked."""
    if _ASKED.search(done.stderr):
        return
    specs = [spec for one in packages for spec in needed(one.manifest).values()]
    if any(is_registered(spec) for spec in specs):
        raise MeasurementUnavailable(
            "`npm outdated` did not ask the registry", remedy="npm outdated"
        )


def _refused(done: command.Completed) -> set[str]:
    """Return what the registry does not know or does not give: npm leaves it out without a word."""
    return {
        match["url"].rpartition("/")[2].replace("%2f", "/").replace("%2F", "/")
        for match in ANSWERED.finditer(done.stderr)
        if match["status"] in ("401", "403", "404")
    }


def _unmatched(package: Package, told: Collection[tuple[str, str]]) -> set[str]:
    """Return the dependencies of which no version fits their range (ETARGET).

    npm leaves these out too; but what it leaves out for being the latest is
    installed, and within its range. `told` are names and the newest versions within a range:
    another workspace's range, if the version is outside of this package's.
    """
    found = set()
    for name, spec in needed(package.manifest).items():
        wanted = semver.range_of(_range(spec))
        if wanted is None or _fits(package.path, name, wanted):
            continue
        if not any(one == name and _satisfies(version, wanted) for one, version in told):
            found.add(f"{name}@{spec}")
    return found


def _range(spec: str) -> str:
    """Return the range that is asked for, of an alias too: npm:PACKAGE@RANGE."""
    package = spec.removeprefix("npm:")
    return spec if package == spec else package.lstrip("@").partition("@")[2] or "*"


def _fits(folder: Path, name: str, wanted: str) -> bool:
    for one in (folder, *folder.parents):
        version = own_manifest(one / "node_modules" / name).version
        if version is not None:
            return _satisfies(version, wanted)
    return False


def _satisfies(version: str, wanted: str) -> bool:
    try:
        return semver.satisfies(version, wanted)
    except ValueError:
        return False

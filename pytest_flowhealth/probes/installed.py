"""Whether installed packages are what was published: npm's lock file names them, its cache has them.

What npm installed it notes in node_modules (the hidden lock file), with the digest
of each archive; the archive itself often still lies in npm's cache. `archives`
compares them, in processes of its own.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from pytest_flowhealth.config.files import read_text
from pytest_flowhealth.errors import CheckFailed, FlowHealthError, NotApplicable
from pytest_flowhealth.probes import archives, command, entries, javascript, lockfile
from pytest_flowhealth.probes.javascript import Source
from pytest_flowhealth.probes.lockfile import Lock

SECONDS = 40.0
"""What comparing all packages may take: some 4 GB on two processors."""

_GRACE = 10.0
_MOST_PARSED = 20
_MOST_PATCHES = 500
_OF_ARCHIVE = ("integrity", "hasInstallScript")
_PROGRAM = Path(archives.__file__)

Run = Callable[..., command.Completed]
"""Runs a program, as `command.run` does."""


class Fault(msgspec.Struct, frozen=True):
    """A file that is not as published.

    Attributes:
        place: The package's folder, from where node_modules is.
        file: Its path in there.
        kind: As of `archives.Fault`, or "unparseable": it is altered, and no JavaScript or JSON.
        published: Its size as published, in bytes.
        installed: The size it has, in bytes.
    """

    place: str
    file: str
    kind: str
    published: int
    installed: int


class Comparison(msgspec.Struct, frozen=True):
    """How the installed packages stand; all lists are of places.

    Attributes:
        compared: How many packages were compared with their archives.
        broken: Files that can't do what they were published for.
        altered: Files that have other content, which may do.
        blank: Entry files that are empty, of packages that could not be compared.
        unheld: Packages whose archive is not to be had, since npm's cache has none, or
            something else lies in their place.
        unread: Packages that could not be read, each with the reason.
        late: Packages that were not reached in time.
    """

    compared: int
    broken: tuple[Fault, ...] = ()
    altered: tuple[Fault, ...] = ()
    blank: tuple[str, ...] = ()
    unheld: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    late: tuple[str, ...] = ()


class _Told(msgspec.Struct, frozen=True):
    """`archives.Compared`, as its program writes it."""

    place: str
    state: str
    said: str = ""
    faults: list[dict[str, Any]] = []


def compare(
    modules: Path,
    cache: Path,
    *,
    seconds: float = SECONDS,
    workers: int | None = None,
    run: Run = command.run,
) -> Comparison:
    """Compare what is installed in `modules`, and in the workspaces beside it.

    Args:
        modules: A node_modules folder that npm made.
        cache: npm's cache.
        seconds: What it may take.
        workers: Processes at once; by default one for each processor, four at most.
        run: Runs the comparing program.

    Raises:
        NotApplicable: No lock file tells what was installed.
    """
    lock = _lock(modules)
    packages, without = _packages(lock)
    parts = _parts(packages, workers or _processors())
    told = _compared(parts, modules.parent, cache, seconds, run)
    whole = _in_state(told, "compared")
    faults = list(_faults(whole, modules.parent, lock))
    held = {one.place for one in _in_state(told, "compared", "absent")}
    unknown = [*without, *(one.place for one in told if one.place not in held)]
    return Comparison(
        compared=len(whole),
        broken=tuple(one for one in faults if one.kind != "altered"),
        altered=tuple(one for one in faults if one.kind == "altered"),
        blank=tuple(_blank(modules.parent, unknown)),
        unheld=(*without, *(one.place for one in _in_state(told, "unheld", "other", "linked"))),
        unread=tuple(f"{one.place}: {one.said}" for one in _in_state(told, "unread")),
        late=tuple(one.place for one in _in_state(told, "late")),
    )


def _in_state(told: Iterable[_Told], *states: str) -> list[_Told]:
    return [one for one in told if one.state in states]


def _lock(modules: Path) -> Lock:
    """Return npm's note of what it installed, with the digests that it may have lost.

    npm writes none into the hidden lock file of what it found installed already.
    """
    hidden = lockfile.read_hidden(modules)
    try:
        lock = lockfile.read_lock(modules.parent)
    except FlowHealthError as error:
        if hidden is None:
            raise NotApplicable(f"nothing tells what was installed: {error.message}") from None
        return hidden
    if hidden is None:
        if lock is None:
            raise NotApplicable("there is no lock file of npm's that tells what was installed")
        return lock
    return hidden if lock is None else _digested(hidden, lock)


def _digested(hidden: Lock, lock: Lock) -> Lock:
    known = {_release(place, entry): entry for place, entry in lock.packages.items() if "integrity" in entry}  # fmt: skip
    packages = dict(hidden.packages)
    for place, entry in packages.items():
        same = known.get(_release(place, entry))
        if same and "integrity" not in entry and not entry.get("inBundle"):
            told = {name: same[name] for name in _OF_ARCHIVE if name in same}
            packages[place] = entry | told
    return Lock(hidden.name, packages)


def _release(place: str, entry: dict[str, Any]) -> tuple[str, str]:
    """Return the name, of an alias the real one, and the version."""
    return str(entry.get("name") or place.rpartition("node_modules/")[2]), str(entry.get("version"))


def _packages(lock: Lock) -> tuple[list[archives.Package], list[str]]:
    """Return what can be compared, what runs in production first; and what has no digest."""
    packages, without = [], []
    rows = sorted(lock.packages.items(), key=lambda row: row[1].get("dev") is True)
    bundled = [place for place, entry in rows if entry.get("inBundle") is True]
    for place, entry in rows:
        # npm's store (install-strategy=linked) has rows for the folders around its packages too.
        store = place.rpartition("node_modules/")[2].startswith(".")
        if not lockfile.is_inside(place) or store or entry.get("link") or entry.get("inBundle"):
            continue
        version, integrity = entry.get("version"), entry.get("integrity")
        if isinstance(integrity, str) and isinstance(version, str):
            inside = f"{place}/node_modules/"
            names = [one.removeprefix(inside) for one in bundled if one.startswith(inside)]
            packages.append(archives.Package(place, version, integrity, names))
        else:
            without.append(place)
    return packages, without


def _processors() -> int:
    return min(4, os.cpu_count() or 1)


def _parts(packages: Sequence[archives.Package], number: int) -> list[Sequence[archives.Package]]:
    return [part for part in (packages[at::number] for at in range(number)) if part]


def _compared(
    parts: Sequence[Sequence[archives.Package]],
    folder: Path,
    cache: Path,
    seconds: float,
    run: Run,
) -> list[_Told]:
    if not parts:
        return []
    with ThreadPoolExecutor(len(parts), "flowhealth archives") as pool:
        told = pool.map(lambda part: _part(part, folder, cache, seconds, run), parts)
        return [one for part in told for one in part]


def _part(
    packages: Sequence[archives.Package], folder: Path, cache: Path, seconds: float, run: Run
) -> list[_Told]:
    asked = {
        "folder": str(folder),
        "cache": str(cache),
        "seconds": seconds,
        "packages": [one._asdict() for one in packages],
    }
    # Isolated, so that no module of the project is taken for one of Python's.
    argv = [sys.executable, "-I", "-S", str(_PROGRAM)]
    try:
        done = run(argv, timeout=seconds + _GRACE, stdin=json.dumps(asked).encode())
    except FlowHealthError as error:
        return [_Told(one.place, "unread", error.message) for one in packages]
    told = [msgspec.convert(json.loads(line), _Told) for line in done.stdout.splitlines()]
    said = f"the comparing program ended with code {done.returncode}"
    return told + [_Told(one.place, "unread", said) for one in packages[len(told) :]]


def _faults(told: Iterable[_Told], folder: Path, lock: Lock) -> Iterable[Fault]:
    patched = _patched(folder)
    left = _MOST_PARSED
    for one in told:
        scripts = lock.packages[one.place].get("hasInstallScript") is True
        for raw in one.faults:
            fault = msgspec.convert({"place": one.place, **raw}, Fault)
            if _is_meant(fault, patched, scripts=scripts):
                continue
            if fault.kind == "altered" and left:
                left -= 1
                fault = _parsed(fault, folder)
            yield fault


def _is_meant(fault: Fault, patched: frozenset[str], *, scripts: bool) -> bool:
    """Tell whether the project, or the package's own install script, may have done that."""
    if f"{fault.place}/{fault.file}" in patched:
        return fault.kind != "empty"
    if fault.kind == "missing" and fault.file.endswith((".ts", ".cts", ".mts")):
        return True  # no program reads them: images are often built without
    return scripts and fault.kind in ("altered", "garbled")  # esbuild's becomes a binary


def _patched(folder: Path) -> frozenset[str]:
    """Return the files that the project's own patches change (npmjs.com/package/patch-package)."""
    found: set[str] = set()
    for path in sorted((folder / "patches").glob("*.patch"))[:_MOST_PATCHES]:
        try:
            lines = read_text(path).splitlines()
        except CheckFailed:
            continue
        starts = ("--- a/", "+++ b/")
        found.update(line[len(starts[0]) :].strip() for line in lines if line.startswith(starts))
    return frozenset(found)


def _parsed(fault: Fault, folder: Path) -> Fault:
    """Return an altered file's fault as "unparseable" where it is code that does not parse."""
    path = folder / fault.place / fault.file
    if path.suffix in javascript.JAVASCRIPT:
        broken = isinstance(javascript.syntax_problem(Source(path, fault.file)), CheckFailed)
    else:
        broken = path.suffix == ".json" and not _is_json(path)
    return msgspec.structs.replace(fault, kind="unparseable") if broken else fault


def _is_json(path: Path) -> bool:
    try:
        json.loads(read_text(path))
    except (CheckFailed, ValueError, RecursionError):
        return False
    return True


def _blank(folder: Path, places: Iterable[str]) -> Iterable[str]:
    for place in places:
        file = entries.empty_entry(folder / place)
        if file:
            yield f"{place}/{file}"

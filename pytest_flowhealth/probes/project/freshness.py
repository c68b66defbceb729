"""Whether what was built is older than what it was built from."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.project.source_file import SourceFile

OUTPUT_FOLDERS = frozenset({".next", ".output", "build", "dist", "lib", "out"})
"""Names of the folders that a build writes to."""

SOURCE_FOLDERS = ("src", "source", "sources", "app", "pages")
"""Names of the folders, in a package's own, that a build reads from."""

SLACK = 2.0
"""Seconds that a source may be newer: a checkout of both writes them one after another."""

MAX_FILES = 50_000
"""Files of a folder that are looked at."""

_NATIVE = frozenset({".node", ".wasm"})
_NATIVE_SOURCES = frozenset({".c", ".cc", ".cpp", ".cxx", ".h", ".hpp", ".rs", ".wat", ".zig"})
_SOURCES = frozenset(
    {
        *(".js", ".cjs", ".mjs", ".jsx", ".ts", ".cts", ".mts", ".tsx"),
        *(".css", ".html", ".json", ".less", ".scss", ".svelte", ".vue"),
    }
)


class Stale(msgspec.Struct, frozen=True):
    """An artifact that is older than a source, and by how many seconds."""

    artifact: str
    source: str
    seconds: float


class Comparison(msgspec.Struct, frozen=True):
    """How many artifacts were compared, and those that are old: at most one for each package."""

    compared: int
    stale: tuple[Stale, ...]


def compare_with_sources(
    artifacts: Iterable[SourceFile], folders: Iterable[Path], root: Path
) -> Comparison:
    """Compare the artifacts in output folders with the newest source of their package.

    An artifact counts as old where nothing else in its output folder is as new
    as the source either: a build that writes only what changed leaves old files.
    Add-ons and WASM are compared with C, C++, Rust and the like, the others with
    scripts and styles; tests are no sources.

    Args:
        artifacts: The artifacts, which exist.
        folders: The packages' folders.
        root: The target's folder.

    Raises:
        MeasurementUnavailable: A folder has too many files.
    """
    packages = sorted(folders, key=lambda folder: len(folder.parts), reverse=True)
    newest: dict[tuple[Path, bool], tuple[float, Path] | None] = {}
    stale: dict[Path, Stale] = {}
    count = 0
    for artifact in artifacts:
        package = next(
            (folder for folder in packages if artifact.path.is_relative_to(folder)), root
        )
        output = _output_folder(artifact.path, package)
        if output is None:
            continue
        native = artifact.path.suffix in _NATIVE
        if (package, native) not in newest:
            newest[package, native] = _newest(package, _NATIVE_SOURCES if native else _SOURCES)
        latest = newest[package, native]
        if latest is not None:
            count += 1
            old = None if package in stale else _older(artifact, output, latest, root)
            stale.update({package: old} if old else {})
    return Comparison(count, tuple(stale.values()))


def _output_folder(path: Path, package: Path) -> Path | None:
    """Return the topmost folder above `path`, in its package, that a build writes to."""
    parts = path.relative_to(package).parts[:-1] if path.is_relative_to(package) else ()
    for number, part in enumerate(parts, 1):
        if part in OUTPUT_FOLDERS:
            return package.joinpath(*parts[:number])
    return None


def _older(
    artifact: SourceFile, output: Path, latest: tuple[float, Path], root: Path
) -> Stale | None:
    changed, source = latest
    if changed - _modified(artifact.path) <= SLACK:
        return None
    written = max(map(_modified, _files_below(output)), default=0.0)
    if changed - written <= SLACK:
        return None
    return Stale(artifact.label, source.relative_to(root).as_posix(), changed - written)


def _newest(package: Path, endings: frozenset[str]) -> tuple[float, Path] | None:
    """Return when the newest source was changed, and which it is."""
    sources = (
        path
        for name in SOURCE_FOLDERS
        for path in _files_below(package / name)
        if path.suffix in endings and not _is_test(path)
    )
    return max(((_modified(path), path) for path in sources), default=None)


def _is_test(path: Path) -> bool:
    return ".test." in path.name or ".spec." in path.name or "__tests__" in path.parts


def _files_below(folder: Path) -> Iterator[Path]:
    seen = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in {"node_modules", ".git"}]
        seen += len(names)
        if seen > MAX_FILES:
            raise MeasurementUnavailable(
                f"the folder {folder.name} has more than {MAX_FILES} files"
            )
        yield from (Path(parent) / name for name in names)


def _modified(path: Path) -> float:
    """Return when a file was changed, in seconds since 1970; 0 for what is no file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return 0.0
    return status.st_mtime if stat.S_ISREG(status.st_mode) else 0.0

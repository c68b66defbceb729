"""Compares installed packages with the archives that npm unpacked them from: a program of its own.

`installed` runs it apart from the checks, for an archive may be hostile: nothing
is extracted, every read is bounded in size and time, and the process in memory.
It needs the standard library only.

Standard input is a JSON object: `folder` and `cache` (paths), `seconds` (what all
may take), `packages`, a list of `Package`. Standard output is a line of JSON for
each of them: a `Compared`.

Where npm's cache keeps an archive: github.com/npm/cacache, "content-v2". What of an
archive npm leaves out or renames: github.com/npm/pacote, lib/fetcher.js.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
import os
import posixpath
import re
import stat
import sys
import tarfile
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

MOST_BYTES = 2**30
"""What an archive may hold, unpacked."""

MOST_MEMBERS = 100_000
"""How many entries an archive may have."""

MOST_FAULTS = 50
"""Faults that are told of one package."""

ALGORITHMS = ("sha512", "sha384", "sha256", "sha1")
"""Digests that npm names an archive by, the strongest first."""

_MEMORY = 2 * 2**30
_HEADER = 2**20
_PIECE = 2**18
_MANIFEST = "package.json"
_IGNORES = (".gitignore", ".npmignore")  # npm renames one to the other
_PROSE = re.compile(
    r".*\.(?:md|markdown|map)\Z|(?i:licen[cs]e)(?:\.txt)?\Z"
    r"|(?:README|LICEN[CS]E|COPYING|NOTICE|CHANGELOG|CHANGES|HISTORY|AUTHORS)[\w.-]*\Z"
)
_FOR_ITS_AUTHORS = frozenset(
    ("test", "tests", "__tests__", "doc", "docs", "example", "examples", "benchmark", "coverage")
)


class Unreadable(Exception):
    """The archive can't be read, or it is larger than a package's may be."""


class Late(Exception):
    """The time is up."""


_UNREADABLE = (
    *(OSError, EOFError, ValueError, LookupError, ArithmeticError),
    *(zlib.error, tarfile.TarError, Unreadable),
)


class Package(NamedTuple):
    """A package by its lock file: its place (a path), its version and digests.

    `bundled` are the names of the dependencies that came in its archive.
    """

    place: str
    version: str
    integrity: str
    bundled: list[str]


class Fault(NamedTuple):
    """A file that is not as published; sizes in bytes.

    `kind`: "missing"; "no file" (a folder, a link to nowhere); "empty"; "cut off"
    (only its beginning is there); "garbled" (zero bytes where there was text);
    "altered" (anything else).
    """

    file: str
    kind: str
    published: int
    installed: int


class Compared(NamedTuple):
    """What came of one package.

    `state`: "compared"; "unheld" (the cache has no archive of it); "other" (another
    version is installed); "linked" and "absent" (a link, or nothing, is in its
    place); "unread" (it could not be read: `said` tells why); "late".
    """

    place: str
    state: str
    said: str
    faults: list[Fault]


class Bounded:
    """An archive's unpacked bytes, for `tarfile`: forward only, up to a size and a time."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile, deadline: float) -> None:
        self._file = file
        self._deadline = deadline
        self._at = 0

    def tell(self) -> int:
        """Return how far it was read."""
        return self._at

    def read(self, size: int) -> bytes:
        """Read `size` bytes, or what is left."""
        if not 0 <= size <= _HEADER:
            raise Unreadable("its archive has a header that is too large")
        if self._at + size > MOST_BYTES:
            raise Unreadable(f"its archive holds more than {MOST_BYTES // 2**20} MiB")
        if time.monotonic() > self._deadline:
            raise Late
        read = self._file.read(size)
        self._at += len(read)
        return read

    def seek(self, position: int) -> int:
        """Go forward to `position`, or to the end."""
        if not self._at <= position <= MOST_BYTES:
            raise Unreadable("its archive has an entry that is too large")
        while self._at < position and self.read(min(_PIECE, position - self._at)):
            pass
        return self._at


def archive_of(integrity: str, cache: Path) -> Path | None:
    """Return the archive in npm's cache, or None where it has none that is whole."""
    for algorithm in ALGORITHMS:
        for word in integrity.split():
            name, _, digest = word.partition("?")[0].partition("-")
            path = _content(cache, name, digest) if name == algorithm else None
            if path and path.is_file():
                with path.open("rb") as file:
                    whole = hashlib.file_digest(file, algorithm).digest()
                return path if base64.b64encode(whole).decode() == digest else None
    return None


def _content(cache: Path, algorithm: str, digest: str) -> Path | None:
    try:
        told = base64.b64decode(digest, validate=True).hex()
    except ValueError:
        return None
    if len(told) != 2 * hashlib.new(algorithm).digest_size:
        return None
    return cache / "_cacache/content-v2" / algorithm / told[:2] / told[2:4] / told[4:]


@contextlib.contextmanager
def opened(path: Path, deadline: float) -> Iterator[Bounded]:
    """Give an archive's unpacked bytes."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        with gzip.GzipFile(fileobj=file) if zipped else contextlib.nullcontext(file) as inner:
            yield Bounded(inner, deadline)


def members(archive: Bounded) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Yield the regular files of an archive, by their path below the package's folder."""
    with tarfile.open(fileobj=archive, mode="r:", errors="surrogateescape") as tar:  # type: ignore[call-overload]
        for _ in range(MOST_MEMBERS):
            member = tar.next()
            if member is None:
                return
            tar.members.clear()  # it would keep them all
            path = _path(member.name)
            if path and member.isreg() and not member.issparse():
                yield path, member
    raise Unreadable(f"its archive has more than {MOST_MEMBERS:,} entries")


def _path(name: str) -> str | None:
    """Return where npm unpacks an entry: without the first folder, whatever its name is."""
    inside = name.partition("/")[2]
    path = posixpath.normpath(inside)
    outside = path.startswith(("/", "../")) or path in (".", "..")
    return None if outside or "\0" in path or not inside else path


def is_compared(path: str, bundled: list[str]) -> bool:
    """Tell whether the file at `path` must be there: no prose, no other package's."""
    base = path.rpartition("/")[2]
    if base in _IGNORES or _PROSE.match(base):
        return False
    if not path.startswith("node_modules/"):
        return True
    # npm lays its own choice over what an archive has there, but for what is declared as bundled.
    return any(path.startswith(f"node_modules/{name}/") for name in bundled)


def difference(path: Path, archive: Bounded, size: int) -> tuple[str, int] | None:
    """Return how the file at `path` differs from the next `size` bytes of `archive`.

    Returns:
        The kind of a `Fault` and the file's size, or None where they are the same.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ("no file" if path.is_symlink() else "missing"), 0
    if not stat.S_ISREG(found.st_mode):
        return "no file", 0
    if found.st_size == 0:
        return ("empty", 0) if size else None
    with path.open("rb") as file:
        kind = _differs(file, archive, size)
    return (kind, found.st_size) if kind else None


def _differs(file: IO[bytes], archive: Bounded, size: int) -> str | None:
    left = size
    while left:
        published = archive.read(min(_PIECE, left))
        if not published:
            raise Unreadable("its archive ends in the middle")
        installed = file.read(len(published))
        if installed != published and not (left == size and _is_mended(file, installed, published)):
            return _kind(installed, published)
        left -= len(published)
    return "altered" if file.read(1) else None


def _is_mended(file: IO[bytes], installed: bytes, published: bytes) -> bool:
    """Tell whether a command's first line has lost its carriage return: npm's bin-links do that.

    `file` is then set to where `published` ends.
    """
    line, _, rest = published.partition(b"\n")
    mended = line[:-1] + b"\n" + rest
    if not (line[:2] == b"#!" and line[-1:] == b"\r" and installed.startswith(mended)):
        return False
    file.seek(len(mended))
    return True


def _kind(installed: bytes, published: bytes) -> str:
    if len(installed) < len(published) and published.startswith(installed):
        return "cut off"
    return "garbled" if b"\0" in installed and b"\0" not in published else "altered"


def compare(package: Package, folder: Path, cache: Path, deadline: float) -> Compared:
    """Compare one package, until `deadline` (of `time.monotonic`)."""
    state, said, faults = "unread", "", list[Fault]()
    try:
        state, faults = _compare(package, folder / package.place, cache, deadline)
    except Late:
        state = "late"
    except (MemoryError, RecursionError):
        said = "its archive is too large or too deep"
    except _UNREADABLE as error:
        said = (getattr(error, "strerror", None) or str(error))[:200]
    return Compared(package.place, state, said, faults[:MOST_FAULTS])


def _compare(
    package: Package, place: Path, cache: Path, deadline: float
) -> tuple[str, list[Fault]]:
    if place.is_symlink() or not place.is_dir():
        return ("linked" if place.is_symlink() else "absent"), []
    path = archive_of(package.integrity, cache)
    if path is None:
        return "unheld", []
    faults = _faults(place, path, package.bundled, deadline)
    if any(one.file == _MANIFEST for one in faults):
        told = _manifest(place)
        if told.get("version") not in (None, package.version):
            return "other", []
        if "_id" in told and "_resolved" in told:  # npm 6 and older wrote that into it
            faults = [one for one in faults if one.file != _MANIFEST]
    return "compared", faults


def _faults(place: Path, path: Path, bundled: list[str], deadline: float) -> list[Fault]:
    # Of entries with one name the last counts; there are disks to which "A" and "a" are one.
    faults: dict[str, Fault | None] = {}
    with opened(path, deadline) as archive:
        for name, member in members(archive):
            if is_compared(name, bundled):
                archive.seek(member.offset_data)
                found = difference(place / name, archive, member.size)
                fault = Fault(name, found[0], member.size, found[1]) if found else None
                faults[name.casefold()] = None if _is_pruned(place, fault) else fault
    return [one for one in faults.values() if one]


def _is_pruned(place: Path, fault: Fault | None) -> bool:
    """Tell whether a whole folder was taken away that only the package's authors need."""
    top = fault.file.partition("/")[0] if fault and fault.kind == "missing" else ""
    return top in _FOR_ITS_AUTHORS and not (place / top).exists()


def _manifest(place: Path) -> dict[str, Any]:
    """Return the installed package.json; nothing where it can't be read."""
    try:
        with (place / _MANIFEST).open("rb") as file:
            told = json.loads(file.read(5 * 2**20))
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def main() -> None:
    """Read what to compare, and tell of each package."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        os.nice(5)  # checks measure times meanwhile
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    for line in compare_all(json.load(sys.stdin)):
        sys.stdout.write(line)


def compare_all(request: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line of JSON for each package of the request; see the module's docstring."""
    deadline = time.monotonic() + request["seconds"]
    for raw in request["packages"]:
        found = compare(Package(**raw), Path(request["folder"]), Path(request["cache"]), deadline)
        faults = [one._asdict() | {"file": _shown(one.file)} for one in found.faults]
        yield json.dumps(found._asdict() | {"faults": faults}) + "\n"


def _shown(name: str) -> str:
    """Return a name that may not be UTF-8 as text."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


if __name__ == "__main__":
    main()

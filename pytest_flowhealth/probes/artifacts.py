"""The files that a package.json promises to whoever installs the package.

By Node's rules: https://nodejs.org/api/packages.html#package-entry-points for
`main` and `exports`, https://nodejs.org/api/modules.html#all-together for what
`main` may leave out; `bin` as npm links it; `module` and `types` as bundlers and
TypeScript read them. A package.json that says nothing promises nothing, though
Node would try index.js.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from pytest_flowhealth.config.files import reason
from pytest_flowhealth.errors import CheckFailed

if TYPE_CHECKING:
    from pytest_flowhealth.config.manifest import Package

Style = Literal["exact", "main", "types", "pattern", "glob"]

MAX_FILES = 50_000
"""Files of a folder that are looked through for a pattern."""

_MAIN = ("", ".js", ".json", ".node", "/index.js", "/index.json", "/index.node")
_TYPES = ("", ".d.ts", ".ts", "/index.d.ts")
_NOT_OURS = frozenset({"node_modules", ".git"})


class Promise(msgspec.Struct, frozen=True):
    """A file, or files by a pattern, that must be there after a build.

    Attributes:
        folder: The package's folder.
        path: As written, relative to `folder`, with forward slashes.
        field: What promises it, such as `main` or `exports["./x"].import`.
        style: How Node, or a glob, finds the file.
        label: The package's, "." for the root.
    """

    folder: Path
    path: str
    field: str
    style: Style
    label: str = "."

    @property
    def refused(self) -> bool:
        """Whether Node refuses the path as a target of `exports`."""
        return self.field.startswith("exports") and not self.path.startswith("./")

    @property
    def shown(self) -> str:
        """The path below the target and what promises it, for messages."""
        path = self.path.removeprefix("./")
        below = path if self.label == "." else f"{self.label}/{path}"
        return f"{below} ({self.field})"


def promises(package: Package) -> tuple[Promise, ...]:
    """Return what the manifest of `package` promises, each file once."""
    manifest = package.manifest
    found: list[tuple[str, str | None, Style]] = []
    found += [(f"bin.{name}", path, "exact") for name, path in manifest.bin.items()]
    found += [(field, path, _style(path)) for field, path in _exported(manifest.exports)]
    found += [("main", manifest.main, "main"), ("module", manifest.module, "main")]
    found += [("types", manifest.types, "types")]
    unique: dict[str, Promise] = {}
    for field, path, style in found:
        if path:
            promise = Promise(package.path, path, field, style, package.label)
            unique.setdefault(path.removeprefix("./"), promise)
    return tuple(unique.values())


def configured(root: Path, patterns: tuple[str, ...]) -> tuple[Promise, ...]:
    """Return the promises of the setting build.artifacts, relative to `root`."""
    return tuple(Promise(root, path, "build.artifacts", "glob") for path in patterns)


def files_of(promise: Promise) -> list[Path]:
    """Return the files that fulfil a promise; none where it is broken.

    They are where their names say, regular or not, inside the target or not.

    Raises:
        CheckFailed: A pattern's folder has more than `MAX_FILES` files, or it can't be
            looked into.
    """
    if promise.style in {"pattern", "glob"}:
        return _matching(promise)
    endings = {"main": _MAIN, "types": _TYPES}.get(promise.style, ("",))
    base = os.path.join(promise.folder, promise.path.rstrip("/"))  # noqa: PTH118  # may hold any bytes
    for ending in endings:
        path = Path(base + ending)
        if _is_there(path) and (promise.style == "exact" or not path.is_dir()):
            return [path]
    return []


def _style(path: str) -> Style:
    return "pattern" if "*" in path else "exact"


def _exported(exports: object) -> Iterator[tuple[str, str]]:
    """Yield field and target of each file in `exports`, whatever its conditions.

    An explicit stack: nothing bounds how deep conditions are nested.
    """
    waiting: list[tuple[str, object]] = [("exports", exports)]
    while waiting:
        field, value = waiting.pop()
        if isinstance(value, str):
            yield field, value
        elif isinstance(value, list):
            waiting += [(field, one) for one in reversed(value)]
        elif isinstance(value, dict):
            waiting += [(_below(field, key), one) for key, one in reversed(value.items())]


def _below(field: str, key: str) -> str:
    field = f"{field[:120]}..." if len(field) > 120 else field
    return f'{field}["{key}"]' if key.startswith(".") else f"{field}.{key}"


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError as error:
        raise CheckFailed(f"{path.parent.name} can't be looked into: {reason(error)}") from None
    except (OSError, ValueError):
        return False


def _matching(promise: Promise) -> list[Path]:
    """Return the files that a pattern means, or the one that is called exactly so."""
    path = promise.path.removeprefix("./")
    exact = promise.folder / path
    if _is_there(exact):
        return [exact]
    fits = _fits_star if promise.style == "pattern" else _fits_glob
    start = path[: min((path.find(sign) for sign in "*?[" if sign in path), default=len(path))]
    folder = promise.folder / start.rpartition("/")[0]
    return [
        promise.folder / name
        for name in _below_folder(promise.folder, folder, promise.shown)
        if fits(name, path)
    ]


def _below_folder(base: Path, folder: Path, shown: str) -> Iterator[str]:
    """Yield the files below `folder`, relative to `base`; not those of other packages."""
    seen = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _NOT_OURS)
        seen += len(names)
        if seen > MAX_FILES:
            raise CheckFailed(f"{shown} is a pattern in a folder of more than {MAX_FILES} files")
        for name in sorted(names):
            yield (Path(parent) / name).relative_to(base).as_posix()


def _fits_star(name: str, target: str) -> bool:
    """Tell whether `name` is `target` with one text in place of each of its stars.

    The text may hold slashes; it is the same for every star.
    """
    stars = target.count("*")
    length, rest = divmod(len(name) - (len(target) - stars), stars)
    if rest or length < 1:
        return False
    begin = target.index("*")
    return target.replace("*", name[begin : begin + length]) == name


def _fits_glob(name: str, pattern: str) -> bool:
    """Tell whether the path `name` matches a glob: `*` within a part, `**` over any parts."""
    parts = name.split("/")
    reached = {0}
    for piece in pattern.split("/"):
        if not reached:
            return False
        if piece == "**":
            reached = set(range(min(reached), len(parts) + 1))
        else:
            reached = {
                at + 1 for at in reached if at < len(parts) and fnmatchcase(parts[at], piece)
            }
    return len(parts) in reached

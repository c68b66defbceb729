"""A package's dependencies: there, within their range, and loadable as Node loads them."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from pytest_flowhealth.config import semver
from pytest_flowhealth.config.files import reason
from pytest_flowhealth.config.manifest import Manifest, Package, read_manifest
from pytest_flowhealth.errors import CheckFailed, NotApplicable
from pytest_flowhealth.probes import entries, loading
from pytest_flowhealth.probes.loading import Loaded

_BROWSER = re.compile(
    r"\b(window|document|navigator|self|location|HTMLElement|localStorage|customElements)\b.* is not defined"
)
_NAME = re.compile(r"(?:@[\w.~-]+/)?(?!\.)[\w.~-]+\Z", re.ASCII)
_NOT_FOR_NODE = (
    "ERR_PACKAGE_PATH_NOT_EXPORTED",
    "ERR_UNKNOWN_FILE_EXTENSION",
    "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING",
)
_TOOLS = re.compile(r"(?i)gulpfile|gruntfile|\.|.*\.config\.")
_MOST_FILES = 2_000


class Dependency(msgspec.Struct, frozen=True):
    """One dependency of one package.

    Attributes:
        package: Label of the package that asks for it.
        name: Its name.
        spec: What package.json asks for, None where it does not.
        version: What is installed, None where nothing is.
        problem: What is wrong with it, None where nothing is.
        note: What could not be judged, and why.
        state: "named wrongly", "missing", "out of range", "broken" (it is there, and does not
            work); "" where there is no problem.
    """

    package: str
    name: str
    spec: str | None
    version: str | None = None
    problem: str | None = None
    note: str | None = None
    state: str = ""

    @property
    def wanted(self) -> str:
        """What to hand to `npm install`: without its spec, an alias would become another package."""
        return self.name if self.spec is None else f"{self.name}@{self.spec}"

    def faulty(self, state: str, problem: str) -> Dependency:
        """Return it with a problem."""
        return msgspec.structs.replace(self, state=state, problem=problem)


def require_own_tree(root: Path) -> None:
    """Refuse a package that is installed in a project: its tree and its lock file are that project's.

    Raises:
        NotApplicable: It lies in a folder node_modules.
    """
    holder = root.parent.parent if root.parent.name.startswith("@") else root.parent
    if holder.name == "node_modules":
        raise NotApplicable(
            "this package is installed in a project, whose tree and lock file are not its own; "
            "run the check in that project's folder"
        )


def require_node_modules(package: Package) -> Path:
    """Return the node_modules that a package's dependencies are looked for in first.

    Raises:
        NotApplicable: Yarn keeps them elsewhere (Plug'n'Play).
        CheckFailed: There is none, it is empty, or can't be read.
    """
    for one in (package.path, *package.path.parents):
        _require_readable(one / "node_modules")
        if _has_entries(one / "node_modules"):
            return one / "node_modules"
        if (one / ".pnp.cjs").exists():
            raise NotApplicable(
                "Yarn Plug'n'Play keeps packages in archives, which are not looked into"
            )
    folder = package.path / "node_modules"
    state = "is empty" if folder.is_dir() else "is no folder" if folder.exists() else "is not there"
    raise CheckFailed(f"node_modules {state}")


def _require_readable(folder: Path) -> None:
    """Raise where a folder is there and may not be looked into: it is not an empty one."""
    try:
        os.scandir(folder).close()
    except PermissionError as error:
        raise CheckFailed(
            f"node_modules can't be read: {reason(error)}",
            remedy=f"ls -ld {shlex.quote(str(folder))}; whoami",
        ) from None
    except OSError:
        return


def dependencies_of(manifest: Manifest) -> dict[str, str]:
    """Return what is needed to run: `dependencies` without the optional ones."""
    optional = manifest.optional_dependencies
    return {name: spec for name, spec in manifest.dependencies.items() if name not in optional}


def examine(
    package: Package, names: Sequence[str], env: Mapping[str, str] | None = None
) -> list[Dependency]:
    """Return how each of `names` stands in `package`; they are loaded, in the environment `env`.

    Raises:
        CheckFailed: There is no Node to load them with.
    """
    found = [_installed(package, name) for name in names]
    loadable = [one.name for one in found if one.problem is None and one.note is None]
    loaded = loading.load(loadable, package.path, env=env) if loadable else []
    came_of = {one.name: one for one in loaded}
    return [_with_loading(package, one, came_of.get(one.name)) for one in found]


def locate(folder: Path, name: str) -> Path | None:
    """Return the folder of a package as Node finds it from `folder`, or None.

    nodejs.org/api/modules.html, "Loading from node_modules folders".
    """
    for one in (folder, *folder.parents):
        candidate = one / "node_modules" / name
        if one.name != "node_modules" and candidate.is_dir():
            return candidate
    return None


def _installed(package: Package, name: str) -> Dependency:
    spec = _spec(package.manifest, name)
    found = Dependency(package.label, name, spec)
    if not _NAME.match(name):
        # As a path it would lead out of node_modules.
        return found.faulty("named wrongly", f"{name!r} is no package's name")
    folder = locate(package.path, name)
    if folder is None:
        return found.faulty("missing", f"{name} is missing")
    try:
        manifest = read_manifest(folder / "package.json", strict=False)
    except CheckFailed as error:
        return found.faulty("broken", f"{name} is broken: {error.message}")
    note = _nothing_to_load(folder, manifest, name)
    return _ranged(msgspec.structs.replace(found, version=manifest.version, note=note))


def _spec(manifest: Manifest, name: str) -> str | None:
    kinds = (
        manifest.dependencies,
        manifest.optional_dependencies,
        manifest.dev_dependencies,
        manifest.peer_dependencies,
    )
    return next((kind[name] for kind in kinds if name in kind), None)


def _ranged(found: Dependency) -> Dependency:
    """Return it with a problem where its version is not what is asked for."""
    wanted = semver.range_of(found.spec) if found.spec is not None else None
    if wanted is None:
        return found
    if found.version is None:
        return found.faulty("broken", f"{found.name} is broken: its package.json has no version")
    try:
        fits = semver.satisfies(found.version, wanted)
    except ValueError:
        problem = f"{found.name} is broken: its version {found.version!r} is none"
        return found.faulty("broken", problem)
    problem = f"{found.name} {found.version} is outside its range {found.spec}"
    return found if fits else found.faulty("out of range", problem)


def _nothing_to_load(folder: Path, manifest: Manifest, name: str) -> str | None:
    """Return why there is nothing to load: types, assets, commands, or code for bundlers only."""
    if entries.is_command(folder, manifest):
        return f"{name} is a command, and has no entry point to load"
    index = any((folder / f"index.{end}").exists() for end in ("js", "json", "node"))
    if manifest.main or manifest.exports or index:
        return None
    others = any(one.name != "package.json" for one in _entries(folder))
    elsewhere = manifest.module or manifest.bin or not _has_code(folder)
    return f"{name} has no entry point to load" if others and elsewhere else None


def _has_code(folder: Path) -> bool:
    """Tell whether there is code, in the places where packages have what their index loads."""
    places = (folder, folder / "lib", folder / "src", folder / "dist")
    return any(
        one.suffix in (".js", ".cjs", ".mjs", ".node") and not _TOOLS.match(one.name)
        for place in places
        for one in _entries(place)
    )


def _with_loading(package: Package, found: Dependency, came: Loaded | None) -> Dependency:
    if came is None:
        return found
    if came.state == "loaded":
        hollow = _hollow(package, came)
        return found.faulty("broken", hollow) if hollow else found
    if came.state == "failed" and _is_for_elsewhere(came):
        return msgspec.structs.replace(
            found, note=f"{came.name} is not made for Node: {came.message}"
        )
    said = f"{came.kind}: {came.message}" if came.kind else came.message
    said = said.replace(f"{package.path}/", "")
    return found.faulty("broken", f"{came.name} can't be loaded: {said}")


def _is_for_elsewhere(came: Loaded) -> bool:
    if came.kind == "ReferenceError":
        return bool(_BROWSER.search(came.message))
    # The same of a package that it needs would be a fault.
    own = came.message.rpartition("/node_modules/")[2].startswith(f"{came.name}/")
    return own and came.code in _NOT_FOR_NODE


def _hollow(package: Package, came: Loaded) -> str | None:
    """Return why a package that loaded has nothing in it.

    Some packages export nothing on purpose (polyfills), so an empty file is asked for too.
    """
    if came.name in entries.ON_PURPOSE:
        return None
    if came.blank:
        return f"{came.name} is broken: its entry file is empty"
    folder = locate(package.path, came.name)
    if not came.empty or folder is None:
        return None
    empty = next(_empty_files(folder), None)
    return f"{came.name} is broken: it exports nothing, and {empty} is empty" if empty else None


def _empty_files(folder: Path) -> Iterator[str]:
    for count, path in enumerate(folder.rglob("*js")):
        if count > _MOST_FILES:
            return
        inside = path.relative_to(folder)
        if "node_modules" not in inside.parts and path.is_file() and path.stat().st_size == 0:
            yield inside.as_posix()


def _has_entries(folder: Path) -> bool:
    """Tell whether a node_modules folder has a package in it."""
    return any(not one.name.startswith(".") for one in _entries(folder))


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing where it is none, or can't be read."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []

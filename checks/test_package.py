"""The package: package.json, node_modules, the dependencies and their files, the lock file.

Looked at are the root package and every workspace.
"""

import os
import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import pytest

from pytest_flowhealth import (
    CheckFailed,
    FlowHealthError,
    Health,
    NotApplicable,
    Target,
    prefetch,
)
from pytest_flowhealth.config.manifest import Package
from pytest_flowhealth.probes import installed, lockfile, npm, package
from pytest_flowhealth.probes.listing import list_findings, raise_worst
from pytest_flowhealth.probes.package import Dependency

SAYS = {
    "missing": "is missing",
    "no file": "is no file",
    "empty": "is empty",
    "cut off": "is cut off",
    "garbled": "has zero bytes in its text",
    "unparseable": "was altered and does not parse",
    "altered": "was altered",
}
INSTALL = {"pnpm": "pnpm install", "yarn": "yarn install", "bun": "bun install"}


def install_command(target: Target) -> str:
    """Return what installs the dependencies anew, by the lock file that is there."""
    manager = lockfile.manager(target.root)
    if manager == "npm":
        return "npm ci" if is_in_step(target) else "npm install"
    return INSTALL.get(manager or "", "npm install")


def reinstall_command(target: Target) -> str:
    """Return what removes all that is installed and installs it anew: npm leaves be what is there."""
    command = install_command(target)
    if command == "npm ci":
        return command  # removes it by itself
    places = [one.path / "node_modules" for one in target.packages]
    folders = [os.path.relpath(one, target.root) for one in places if one.is_dir()]
    if not folders:
        folders = [os.path.relpath(package.require_node_modules(target.packages[0]), target.root)]
    return f"rm -r {shlex.join(_plain(folders))} && {command}"


def _plain(paths: list[str]) -> list[str]:
    """Return paths that no command takes for options."""
    return [f"./{path}" if path.startswith("-") else path for path in paths]


def is_in_step(target: Target) -> bool:
    """Tell whether `npm ci` would do: it refuses where the lock file is not in step."""
    try:
        lock = lockfile.read_lock(target.root)
        return lock is not None and not lockfile.out_of_step(lock, target.packages)
    except FlowHealthError:
        return False


def critical_names(target: Target, one: Package) -> list[str]:
    """Return the dependencies that must work: the configured ones, else all that package.json names."""
    configured = target.config.package.critical
    if configured is not None and one.label == ".":
        return list(configured)
    return list(package.dependencies_of(one.manifest))


@prefetch
def package_dependencies(target: Target) -> list[Dependency]:
    """How each critical dependency of each package stands."""
    return [
        found
        for one in target.packages
        for found in package.examine(one, critical_names(target, one))
    ]


@prefetch
def package_files(target: Target) -> installed.Comparison:
    """How the installed files compare with what was published."""
    manager = lockfile.manager(target.root)
    if manager not in (None, "npm"):
        raise NotApplicable(f"only what npm installed is compared, not {manager}'s packages")
    modules = package.require_node_modules(target.packages[0])
    return installed.compare(modules, npm.cache(target.root))


@prefetch
def package_tree(target: Target) -> npm.Tree:
    """What `npm ls --all` says."""
    package.require_own_tree(target.root)
    return npm.ls(target.root)


@pytest.mark.health("package", timeout=20)
def test_manifest(health: Health, target: Target) -> None:
    """package.json is there, is JSON, and its fields have the types that npm documents."""
    health.detail(packages=[one.label for one in target.packages][:100])


@pytest.mark.health("package", requires="package.manifest", timeout=20)
def test_node_modules(health: Health, target: Target) -> None:
    """There is a node_modules folder with something in it, for each package that needs one."""
    health.remedy(install_command(target))
    needing = [one for one in target.packages if package.dependencies_of(one.manifest)]
    if not needing and not target.config.package.critical:
        raise NotApplicable("package.json names no dependencies")
    problems: list[CheckFailed] = []
    for one in needing:
        try:
            package.require_node_modules(one)
        except CheckFailed as error:
            if one.label == ".":
                raise  # the workspaces' dependencies lie there too
            problems.append(CheckFailed(f"{one.label}: {error.message}"))
    raise_worst(problems, broken="packages have no dependencies installed", unread="")


@pytest.mark.health("package", requires=("package.node_modules", "system.node"), timeout=180)
def test_dependencies(
    health: Health, target: Target, package_dependencies: Future[list[Dependency]]
) -> None:
    """The critical ones are there, within the range that package.json asks for, and can be loaded."""
    found = package_dependencies.result()
    health.detail(
        versions={one.name: one.version for one in found if one.version},
        notes=[one.note for one in found if one.note],
    )
    broken = [one for one in found if one.problem]
    if broken:
        names = [
            one.problem if one.package == "." else f"{one.package}: {one.problem}" for one in broken
        ]
        message = list_findings(
            [str(name) for name in names], "dependencies are not as they must be"
        )
        raise CheckFailed(message, remedy=repair(target, broken))


def repair(target: Target, broken: list[Dependency]) -> str:
    """Return the command that mends `broken`."""
    wrong = [one for one in broken if one.state == "named wrongly"]
    if wrong:
        file = "package.json" if wrong[0].spec is not None else "[package] critical"
        return f"mend the name in {file}"
    if all("NODE_MODULE_VERSION" in (one.problem or "") for one in broken):
        return npm.with_names("npm rebuild", [one.name for one in broken])
    unnamed = [one for one in broken if one.spec is None and one.state == "missing"]
    if unnamed:
        return npm.with_names("npm install", [one.wanted for one in unnamed])
    if any(one.state == "broken" for one in broken):
        return reinstall_command(target)
    manager = lockfile.manager(target.root)
    if manager not in (None, "npm") or is_in_step(target):
        return install_command(target)
    if any(one.package != "." for one in broken):
        return install_command(target)
    return npm.with_names("npm install", [one.wanted for one in broken])


@pytest.mark.health("package", requires=("package.dependencies", "system.npm"), timeout=120)
def test_files(health: Health, target: Target, package_files: Future[installed.Comparison]) -> None:
    """The files of all installed packages are as published, by the archives in npm's cache."""
    found = package_files.result()
    unknown = len(found.unheld) + len(found.unread) + len(found.late)
    health.detail(
        compared=found.compared,
        not_compared=unknown,
        without_archive=found.unheld[:100],
        altered=[f"{one.place}/{one.file}" for one in found.altered[:100]],
    )
    if found.broken or found.altered or found.blank:
        health.remedy(reinstall_command(target))
    if found.broken:
        raise CheckFailed(list_findings(by_package(found.broken), "packages are not as published"))
    for warning in doubts(found):
        health.warn(warning)
    if not found.compared and not (found.blank or found.unread or found.late):
        raise NotApplicable(
            f"none of the {unknown:,} packages installed can be compared: npm's cache has no archive "
            "of them, or the lock file no digest"
        )


def by_package(faults: Sequence[installed.Fault]) -> list[str]:
    """Return a sentence for each package, with the first of its faults."""
    packages: dict[str, list[str]] = {}
    for one in faults:
        packages.setdefault(one.place, []).append(f"{one.file} {SAYS[one.kind]}")
    return [
        f"{place}: {', '.join(said[:3])}" + f" and {len(said) - 3:,} more" * (len(said) > 3)
        for place, said in packages.items()
    ]


def doubts(found: installed.Comparison) -> Iterator[str]:
    """Yield what speaks against the packages, or is not known of them."""
    if found.altered:
        yield list_findings(by_package(found.altered), "packages are not as published")
    if found.blank:
        empty = [f"{one} is empty" for one in found.blank]
        why = "and npm's cache no longer holds its archive to compare with"
        yield f"{list_findings(empty, 'entry files are empty')}, {why}"
    if found.unread:
        yield list_findings(found.unread, "packages could not be compared")
    if found.late:
        all_of = found.compared + len(found.late)
        yield f"{len(found.late):,} of {all_of:,} packages were not compared within {installed.SECONDS:g} s"


@pytest.mark.health("package", requires=("package.dependencies", "system.npm"), timeout=60)
def test_tree(health: Health, target: Target, package_tree: Future[npm.Tree]) -> None:
    """`npm ls --all` finds nothing missing or outside its range, and all is as npm locked it."""
    manager = lockfile.manager(target.root)
    if manager not in (None, "npm"):
        raise NotApplicable(f"`npm ls` can't tell of what {manager} installed")
    tree = package_tree.result()
    health.detail(extraneous=tree.extraneous[:100])
    wrong = [*tree.missing, *tree.invalid, *tree.other] or not_as_locked(target)
    if wrong:
        remedy = install_command(target) if wrong == [*tree.missing] else reinstall_command(target)
        raise CheckFailed(list_findings(wrong, "packages are not as they must be"), remedy=remedy)


def not_as_locked(target: Target) -> list[str]:
    """Return what is installed in another version than locked; of a broken lock file, nothing."""
    try:
        lock = lockfile.read_lock(target.root)
    except FlowHealthError:
        return []  # package.lock tells of it
    return lockfile.not_as_locked(lock, target.root) if lock else []


@pytest.mark.health("package", requires="package.manifest", timeout=60, remedy="npm install")
def test_lock(health: Health, target: Target) -> None:
    """The lock file of npm is in step with package.json, of the root and of each workspace."""
    package.require_own_tree(target.root)
    lock = lockfile.read_lock(target.root)
    manager = lockfile.manager(target.root)
    if lock is None and manager is not None:
        raise NotApplicable(f"{manager}'s lock file is not looked into, only npm's")
    if lock is None and not any(lockfile.wanted(one.manifest) for one in target.packages):
        raise NotApplicable("package.json names no dependencies")
    if lock is None:
        health.warn("there is no lock file, so that each installation may get other versions")
        return
    health.detail(file=lock.name, packages=len(lock.packages))
    stale = lockfile.out_of_step(lock, target.packages)
    if stale:
        raise CheckFailed(list_findings(stale, f"entries of {lock.name} are not in step"))

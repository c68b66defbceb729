"""What is installed in a project, against package.json and the lock file."""

from __future__ import annotations

from typing import Literal

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """Something that is wrong with an installed package or a lock file.

    Attributes:
        name: The package.
        kind: "missing", "invalid" (outside of the range), "differs" (from the lock file), "link"
            (to something that is not there) or "changed" (a file, which broke by it).
        message: One sentence.
        remedy: The command that mends it, None if none is known.
    """

    name: str
    kind: Literal["missing", "invalid", "differs", "link", "changed"]
    message: str
    remedy: str | None = None


class Deprecated(msgspec.Struct, frozen=True):
    """A version that its author has deprecated; `direct` if package.json names the package."""

    name: str
    version: str
    message: str
    direct: bool = True


class Lock(msgspec.Struct, frozen=True):
    """npm's lock file.

    Attributes:
        file: Its name.
        packages: How many packages it lists.
        faults: Why `npm ci` would refuse it.
        conflicts: Peer dependencies in it that disagree, or are not in it: `npm ci` refuses it unless
            it is told --legacy-peer-deps.
        deprecated: The packages that it notes as deprecated.
    """

    file: str
    packages: int
    faults: list[Fault]
    conflicts: list[str]
    deprecated: list[Deprecated]


class Installation(msgspec.Struct, frozen=True):
    """The installed packages of a project.

    Attributes:
        manager: The package manager, None where nothing names one.
        evidence: The file or field that names it.
        faults: What is wrong with the installed packages.
        warnings: What looks wrong, and does not keep the application from working, or what
            installing again does not change.
        nothing_installed: Whether a package has no installed dependencies at all.
        omitted: What was left out on purpose, such as "dev".
        extraneous: Packages that nothing asks for, as name@version.
        versions: The versions of the direct dependencies; "" for one that is missing.
        lock: npm's lock file, None where there is none or it can't be read.
        lock_error: Why the lock file can't be read.
    """

    manager: str | None
    evidence: str | None
    faults: list[Fault]
    warnings: list[Fault]
    extraneous: list[str]
    omitted: list[str]
    versions: dict[str, str]
    lock: Lock | None
    lock_error: str | None
    nothing_installed: bool = False


class LoadedPackage(msgspec.Struct, frozen=True):
    """How a dependency loads in Node.

    Attributes:
        name: The dependency.
        package: The label of the package that depends on it; "." for the checked folder's.
        state: "works"; "faulty": there is evidence of a broken installation; "unjudged": it throws, as
            many packages do that are made for a bundler, which proves no fault; "unknown": what would
            prove it is not available.
        version: What is installed, None where nothing is.
        message: What is wrong, or was noticed.
        remedy: The command that mends a faulty package, None if none is known.
    """

    name: str
    package: str
    state: Literal["works", "faulty", "unjudged", "unknown"]
    version: str | None
    message: str | None
    remedy: str | None


class FileComparison(msgspec.Struct, frozen=True):
    """An installed package's files against its published archive.

    Attributes:
        unread: Why there is no archive to compare with, otherwise None.
        missing: Published files that are not there, as paths in the package.
        changed: Files with another content than the published one.
    """

    unread: str | None
    missing: list[str]
    changed: list[str]

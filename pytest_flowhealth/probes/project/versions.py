"""Node and npm against the versions that the project requires, and the platform against its lists."""

from __future__ import annotations

import msgspec


class Requirement(msgspec.Struct, frozen=True):
    """A range that a program's version must be in.

    Attributes:
        range: The range, as it was written.
        origin: Who names it, such as "engines.node in package.json".
        satisfied: Whether the version is in it; None if npm's semver can't read the range.
        warning: Whether a version outside is only to be warned of (devEngines with onFail: warn).
        remedy: What would satisfy it, None if nothing is known.
    """

    range: str
    origin: str
    satisfied: bool | None
    warning: bool = False
    remedy: str | None = None


class ProgramVersion(msgspec.Struct, frozen=True):
    """A program's version (None: it is not there, and not needed) and what is required of it.

    `manager` is the project's package manager: one of pnpm or Yarn requires nothing of npm. `problem` says
    why there is no version.
    """

    version: str | None
    manager: str
    requirements: list[Requirement]
    problem: str | None = None


class Exclusion(msgspec.Struct, frozen=True):
    """A list of package.json (`field`: os, cpu or libc) that does not allow this platform's `name`."""

    field: str
    name: str
    allowed: list[str]


class Versions(msgspec.Struct, frozen=True):
    """What the project runs on.

    Attributes:
        node: Of the Node on the PATH.
        npm: Of the npm on the PATH.
        platform: As Node's `process.platform`, such as "linux".
        architecture: As Node's `process.arch`, such as "x64".
        release: The kernel's.
        excluded: Why package.json does not allow this platform.
    """

    node: ProgramVersion
    npm: ProgramVersion
    platform: str
    architecture: str
    release: str
    excluded: list[Exclusion]

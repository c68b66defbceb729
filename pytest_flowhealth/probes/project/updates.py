"""What the registry knows of the dependencies: vulnerabilities, newer versions, deprecations."""

from __future__ import annotations

import msgspec

from pytest_flowhealth.probes.project.installation import Deprecated


class Vulnerability(msgspec.Struct, frozen=True):
    """A vulnerable dependency.

    Attributes:
        name: The package.
        severity: "critical", "high", "moderate", "low" or "info".
        range: The vulnerable versions.
        titles: Of the advisories; empty if a dependency of the package is vulnerable.
        fix: The command that fixes it, None if there is none.
    """

    name: str
    severity: str
    range: str
    titles: list[str]
    fix: str | None


class Audit(msgspec.Struct, frozen=True):
    """The vulnerable packages, the worst first, and how many there are of each severity."""

    counts: dict[str, int]
    packages: list[Vulnerability]


class Behind(msgspec.Struct, frozen=True):
    """A direct dependency that has newer versions: the newest in its range (`wanted`) and of all.

    `major`: the latest is a major version ahead.
    """

    name: str
    current: str
    wanted: str
    latest: str
    major: bool


class Outdated(msgspec.Struct, frozen=True):
    """The direct dependencies that are behind or deprecated.

    `unread`: those of which the registry tells nothing. `remedy`: the command that installs the
    latest major versions, None if none is behind.
    """

    behind: list[Behind]
    deprecated: list[Deprecated]
    unread: list[str]
    remedy: str | None = None

"""The form of an install report, and of a group of equal failures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

SCHEMA: Literal["flowhealth-install/1"] = "flowhealth-install/1"
"""The value of `schema`; it changes with an incompatible form."""

Step = Literal["install", "build", "load", "check"]
"""The last step: npm's installation, the build, loading the package, or a later check."""

_NUMBER = "(?:0|[1-9][0-9]{0,15})"
_TAG = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_RELEASE = rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_TAG})?"
_WORD = "[0-9A-Za-z_]+"
_END = r"$(?!\n)"  # `$` alone lets a last line break pass in Python; \Z is unknown to a JSON Schema

Package = Annotated[
    str,
    Meta(
        max_length=214,
        pattern=rf"^(?:@[0-9A-Za-z_~-][0-9A-Za-z._~-]*/)?[0-9A-Za-z~][0-9A-Za-z._~-]*{_END}",
    ),
]
"""A package's name, as npm takes it; also the old ones with capitals."""

Version = Annotated[str, Meta(max_length=100, pattern=rf"^{_RELEASE}(?:\+{_TAG})?{_END}")]
"""A semantic version (semver.org): behind `name@` npm would take another text for an address."""

Release = Annotated[str, Meta(max_length=100, pattern=f"^{_RELEASE}{_END}")]
"""Node's or npm's version: one without a build's name."""

Word = Annotated[str, Meta(max_length=100, pattern=f"^{_WORD}{_END}")]
"""The name of an operating system, or of an architecture."""

Platform = Annotated[str, Meta(max_length=201, pattern=f"^{_WORD}(?:-{_WORD})?{_END}")]
"""Both."""


def fits(text: str, kind: Any) -> bool:
    """Tell whether a text is a `Package`, a `Version`, ..."""
    try:
        msgspec.convert(text, kind)
    except msgspec.ValidationError:
        return False
    return True


class InstallReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One installation, scrubbed by its sender; at most 64 KiB as JSON.

    Attributes:
        package: The npm package's name.
        version: Its version; None if it is not known.
        node: Node's version, as in 20.11.1.
        npm: npm's.
        os: As Node's `process.platform`: linux, darwin, win32.
        arch: As Node's `process.arch`: x64, arm64.
        step: The last step.
        outcome: Success or failure.
        seconds: Its duration; None if it was not measured.
        error: The error in one line; empty for a success.
        context: The text around the error: npm's output, or failing checks.
    """

    schema: Literal["flowhealth-install/1"] = SCHEMA
    package: Package
    version: Version | None = None
    node: Release | None = None
    npm: Release | None = None
    os: Word | None = None
    arch: Word | None = None
    step: Step = "install"
    outcome: Literal["success", "failure"]
    seconds: Annotated[float, Meta(ge=0, le=86_400)] | None = None
    error: Annotated[str, Meta(max_length=1_000)] = ""
    context: Annotated[str, Meta(max_length=60_000)] = ""


class FailureGroup(msgspec.Struct, frozen=True):
    """Failures whose errors differ only in numbers, paths and versions.

    Attributes:
        fingerprint: The fingerprint of the errors, 16 hexadecimal digits.
        package: The npm package's name.
        error: The newest error, scrubbed, in one line.
        step: The last step.
        count: The number of stored reports.
        first: Arrival of the first report, in seconds since 1970.
        last: Arrival of the last report.
        versions: Counts by the package's version, the most frequent first.
        nodes: Counts by Node's version.
        platforms: Counts by operating system and architecture, as in linux-x64.
        sources: Number of networks; a network counts again every day.
    """

    fingerprint: str
    package: str
    error: str
    step: Step
    count: int
    first: float
    last: float
    versions: tuple[tuple[str, int], ...] = ()
    nodes: tuple[tuple[str, int], ...] = ()
    platforms: tuple[tuple[str, int], ...] = ()
    sources: int = 0

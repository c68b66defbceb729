"""A report of an installation: what is sent, and what many of one kind become."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

SCHEMA: Literal["flowhealth-install/1"] = "flowhealth-install/1"
"""The value of `schema`: changes when a receiver would have to."""

Step = Literal["install", "build", "load", "check"]
"""Where it ended: npm's installation, the build, loading the package, or a check afterwards."""

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
    """One installation, scrubbed by who sends it; at most 64 KiB as JSON.

    Attributes:
        package: The npm package's name.
        version: Its version, None where it is not known.
        node: Node's version, as in 20.11.1.
        npm: npm's.
        os: As Node's `process.platform`: linux, darwin, win32.
        arch: As Node's `process.arch`: x64, arm64.
        step: Where it ended.
        outcome: Whether it went well.
        seconds: How long it took, None where nobody measured it.
        error: One line that says what went wrong; empty where nothing did.
        context: What was told around it: npm's output, or failing checks.
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
    """Failures that are one: their errors are the same but for numbers, paths and versions.

    Attributes:
        fingerprint: What tells kinds apart, 16 hexadecimal digits.
        package: The npm package's name.
        error: One of their errors, scrubbed, in one line.
        step: Where they ended.
        count: How many were reported and are still kept.
        first: When the first came, in seconds since 1970.
        last: When the last came.
        versions: How many by the package's version, the most first.
        nodes: By Node's version.
        platforms: By operating system and architecture, as in linux-x64.
        sources: From how many networks they came, each counted anew every day.
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

"""Who watches the monitor at work: the web page. The monitor knows it by this protocol only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

import msgspec

Seen_contra = TypeVar("Seen_contra", contravariant=True)


class Remark(msgspec.Struct, frozen=True):
    """Something that a viewer did, for the console and the log; `urgent` where alerts may change by it."""

    what: str
    facts: Mapping[str, Any] = {}
    urgent: bool = False


class View(Protocol[Seen_contra]):
    """What the monitor (`Seen_contra`) tells, from its own thread; none of it waits or raises."""

    def second(self, monitor: Seen_contra, at: float) -> None:
        """Take in how things are, each second and at every verdict; `at` in seconds since 1970."""
        ...

    def remarks(self) -> list[Remark]:
        """Return what was done since the last time."""
        ...

    def reconfigure(self, monitor: Seen_contra) -> None:
        """Go by the monitor's new configuration."""
        ...

    def close(self) -> None:
        """End."""
        ...

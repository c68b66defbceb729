"""The protocol by which the monitor informs an observer, such as the web page, and takes its events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from pytest_flowhealth.monitor.loop import Monitor


class MonitorEvent(msgspec.Struct, frozen=True):
    """An event for the console and the log; `urgent` if it may change alerts."""

    what: str
    facts: Mapping[str, Any] = {}
    urgent: bool = False


class MonitorObserver(Protocol):
    """What the monitor informs of its state."""

    def start(self, monitor: Monitor) -> None:
        """Take the monitor that was made."""
        ...

    async def serve(self) -> None:
        """Do its own work until `close`; what it raises is reported, and it is called again."""
        ...

    def on_tick(self, monitor: Monitor, at: float) -> None:
        """Take in how things are, each second and at every verdict; `at` in seconds since 1970."""
        ...

    def drain_events(self) -> list[MonitorEvent]:
        """Return what was done since the last time."""
        ...

    def reconfigure(self, monitor: Monitor) -> None:
        """Go by the monitor's new configuration."""
        ...

    def close(self) -> None:
        """Let `serve` return soon."""
        ...

"""The application's agents: what its own records tell of them, what they use, how quickly one starts.

A fleet source returns a `Snapshot`; what it does not know stays None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_flowhealth.probes.fleet.snapshot import (
        Agent,
        Agents,
        Snapshot,
        Swarm,
        Tasks,
        Working,
    )

__all__ = ["Agent", "Agents", "Snapshot", "Swarm", "Tasks", "Working"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pytest_flowhealth.probes.fleet import snapshot

    return getattr(snapshot, name)

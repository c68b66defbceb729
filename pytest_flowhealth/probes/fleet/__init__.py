"""Read an application's fleet: its agents, tasks and swarms, what they use, how quickly one starts.

`FleetProbe` is the entry point. A fleet source returns a `Snapshot`; what
it does not know stays None. Names are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flowhealth.lazy_names import make_getattr

if TYPE_CHECKING:
    from pytest_flowhealth.probes.fleet.metrics import LEAST_SWARMS
    from pytest_flowhealth.probes.fleet.overview import FleetLimits, recommend, score_parts
    from pytest_flowhealth.probes.fleet.probe import FleetProbe
    from pytest_flowhealth.probes.fleet.sampling import FleetSample
    from pytest_flowhealth.probes.fleet.score import FleetScore, score_fleet
    from pytest_flowhealth.probes.fleet.snapshot import (
        Agent,
        Agents,
        Snapshot,
        Swarm,
        Tasks,
        Working,
    )
    from pytest_flowhealth.probes.fleet.source import NONE, Source
    from pytest_flowhealth.probes.fleet.spawn import AgentStart, describe_failed_starts

_MODULES = {
    "Agent": "snapshot",
    "AgentStart": "spawn",
    "Agents": "snapshot",
    "FleetLimits": "overview",
    "FleetProbe": "probe",
    "FleetSample": "sampling",
    "FleetScore": "score",
    "LEAST_SWARMS": "metrics",
    "NONE": "source",
    "Snapshot": "snapshot",
    "Source": "source",
    "Swarm": "snapshot",
    "Tasks": "snapshot",
    "Working": "snapshot",
    "describe_failed_starts": "spawn",
    "recommend": "overview",
    "score_fleet": "score",
    "score_parts": "overview",
}

__all__ = [  # noqa: RUF022  # sorted as above
    "Agent",
    "AgentStart",
    "Agents",
    "FleetLimits",
    "FleetProbe",
    "FleetSample",
    "FleetScore",
    "LEAST_SWARMS",
    "NONE",
    "Snapshot",
    "Source",
    "Swarm",
    "Tasks",
    "Working",
    "describe_failed_starts",
    "recommend",
    "score_fleet",
    "score_parts",
]

__getattr__ = make_getattr(__name__, _MODULES)

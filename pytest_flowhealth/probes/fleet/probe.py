"""The entry point: the records of a target's fleet, and starts of its agents."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_flowhealth.errors import NotApplicable
from pytest_flowhealth.probes.fleet import source
from pytest_flowhealth.probes.fleet.overview import FleetLimits
from pytest_flowhealth.probes.fleet.readiness import make_signal
from pytest_flowhealth.probes.fleet.sampling import FleetSample, read
from pytest_flowhealth.probes.fleet.sources.redis_reading import find_records_address
from pytest_flowhealth.probes.fleet.spawn import AgentProgram, AgentStart, start_agents

if TYPE_CHECKING:
    from pytest_flowhealth.config.target import Target

MAX_START = 120.0
"""Longest `fleet.spawn.timeout` that is used, in seconds."""


class FleetProbe:
    """Reads the records that an application keeps of its agents and tasks, and starts agents.

    ::

        probe = FleetProbe(target)
        sample = probe.read_sample()
        sample.last.tasks.waiting

    Args:
        target: The target; its `[fleet]` says where the records are and what is started.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self.started: tuple[AgentStart, ...] = ()

    @property
    def limits(self) -> FleetLimits:
        """The limits that `[fleet]` sets."""
        settings = self._target.config.fleet
        return FleetLimits(settings.tasks, settings.stuck, settings.heartbeat)

    @property
    def reads_target_redis(self) -> bool:
        """Whether the records are in the Redis that `redis.url` names."""
        return source.reads_redis(self._target)

    def read_sample(self) -> FleetSample:
        """Return two snapshots of the records, a second apart.

        Raises:
            NotApplicable: No source is configured.
            CheckFailed: The source is down.
            MeasurementUnavailable: It may not be read.
        """
        return read(source.of_target(self._target))

    def spawn_agents(self) -> tuple[AgentStart, ...]:
        """Start the configured command as often as configured; the result is kept in `started`.

        Raises:
            NotApplicable: No command is configured.
            CheckFailed: It can't be started, or its ready signal can't be watched.
        """
        plan = self._target.config.fleet.spawn
        if plan is None:
            raise NotApplicable("nothing to start is configured: [fleet.spawn] in flowhealth.toml")
        answers = self._target.config.fleet.timeout
        self.started = start_agents(
            AgentProgram(plan.command, self._target.root),
            partial(make_signal, plan.ready, lambda: find_records_address(self._target), answers),
            count=plan.count,
            timeout=min(MAX_START, plan.timeout),
        )
        return self.started

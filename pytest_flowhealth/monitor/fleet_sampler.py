"""Sample the fleet's records between rounds, with a limited share of a processor."""

from __future__ import annotations

import asyncio
import statistics
import time

from pytest_flowhealth.alerts.daemon_threads import run_in_thread
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import FlowHealthError
from pytest_flowhealth.probes.fleet.snapshot import Snapshot

UNITS = {
    "fleet.agents": "1",
    "fleet.queue": "1",
    "fleet.active": "1",
    "fleet.swarms": "1",
    "fleet.confidence": "%",
}
"""What is read, and in which unit: swarms that are there, and the mean of their confidence."""

SHARE = 0.005
"""Of one processor that reading takes at the most: where it costs more, it is done less often."""


class FleetSampler:
    """Reads the fleet every second, or as often as it may; a source that fails is tried on."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._figures: dict[str, float] = {}
        self.last: Snapshot | None = None
        self.problem: str | None = None
        """Why the fleet's records can't be read now; None if they can, or if none are configured."""

    @property
    def source(self) -> str | None:
        """The configured source; None if no fleet is configured."""
        return self._target.config.fleet.source

    def take(self) -> dict[str, float]:
        """Return what was read since the last time, by metric; nothing where nothing was."""
        found, self._figures = self._figures, {}
        return found

    async def run(self) -> None:
        """Read until it is cancelled; end where no source is configured, or one that starts a program."""
        if self.source in (None, "command"):
            return
        from pytest_flowhealth.probes.fleet.source import Source, of_target

        source: Source | None = None

        def read() -> tuple[Source, Snapshot, float]:
            began = time.thread_time()
            current = source or of_target(self._target, listen=False)
            return current, current.read(), time.thread_time() - began

        while True:
            cost = 0.0
            try:
                source, snapshot, cost = await run_in_thread(read)
                self.last, self._figures, self.problem = snapshot, _make_figures(snapshot), None
            except (FlowHealthError, OSError) as error:
                # The round's checks say what is wrong; here it only means that there is no figure.
                source = self.last = None
                self.problem = one_line(str(error))
            except Exception as error:
                self.last, self.problem = None, f"the sampler failed: {type(error).__name__}"
                raise  # the supervisor reports it, and reads on
            await asyncio.sleep(max(1.0, cost / SHARE))


def _make_figures(snapshot: Snapshot) -> dict[str, float]:
    figures: dict[str, float | None] = {
        "fleet.agents": snapshot.agents.total,
        "fleet.queue": snapshot.tasks.waiting,
        "fleet.active": snapshot.tasks.active,
    }
    if snapshot.swarms is not None:
        sure = [swarm.confidence for swarm in snapshot.swarms if swarm.confidence is not None]
        figures["fleet.swarms"] = len(snapshot.swarms)
        figures["fleet.confidence"] = 100.0 * statistics.fmean(sure) if sure else None
    return {name: float(value) for name, value in figures.items() if value is not None}

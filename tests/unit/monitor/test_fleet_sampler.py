"""The fleet's sampler, when its source fails by an error that nobody expects."""

import asyncio
from pathlib import Path

import pytest

from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.model import FleetSection as Fleet
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import FlowHealthError
from pytest_flowhealth.monitor import supervisor
from pytest_flowhealth.monitor.fleet_sampler import FleetSampler
from pytest_flowhealth.monitor.supervisor import Supervisor
from pytest_flowhealth.probes.fleet import source


class Source:
    """A source whose first reading fails unexpectedly, and the others as a server that is down."""

    def __init__(self) -> None:
        self.readings = 0

    def read(self) -> None:
        """Fail."""
        self.readings += 1
        raise KeyError("x") if self.readings == 1 else FlowHealthError("the fleet is down")


def test_sampler_that_fails_says_so_and_reads_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, watched = Source(), Supervisor()
    monkeypatch.setattr(source, "of_target", lambda *_, **__: broken)
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.05)
    config = Configuration(fleet=Fleet(source="bullmq"))
    sampler = FleetSampler(Target(tmp_path, config, {}, {}))

    async def watch() -> None:
        task = asyncio.create_task(watched.run("fleet sampler", sampler.run))
        while sampler.problem != "the fleet is down":
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(watch())

    (failure,) = watched.take_failures()
    assert (failure.part, failure.error) == ("fleet sampler", "KeyError: 'x'")
    assert sampler.last is None

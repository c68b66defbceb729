"""Parts of the monitor that fail: started again, reported once, and failing for a minute."""

import asyncio

import pytest

from pytest_flowhealth.monitor import supervisor
from pytest_flowhealth.monitor.supervisor import SETTLED, Supervisor
from tests.kit.clock import FakeClock


class Part:
    """A part of the monitor that fails some times, and then runs to its end."""

    def __init__(self, failures: int) -> None:
        self.failures, self.calls = failures, 0

    async def serve(self) -> None:
        """Fail, or return."""
        self.run()

    def run(self) -> str:
        """Fail, or return."""
        self.calls += 1
        if self.calls <= self.failures:
            raise ValueError("no such figure")
        return "read"


def test_part_that_fails_is_started_again_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.001)
    watched, part = Supervisor(), Part(3)

    asyncio.run(watched.run("sampler", part.serve))

    assert part.calls == 4
    (failure,) = watched.take_failures()
    assert (failure.part, failure.error) == ("sampler", "ValueError: no such figure")
    assert "in run" in failure.trace
    assert watched.take_failures() == []


def test_part_counts_as_failing_for_a_minute_after_its_last_failure() -> None:
    clock = FakeClock()
    watched, part = Supervisor(clock.now), Part(1)

    assert watched.call("sampler", part.run, "nothing") == "nothing"
    assert watched.call("sampler", part.run, "nothing") == "read"

    assert watched.failing() == {"sampler": "ValueError: no such figure"}
    clock.sleep(SETTLED)
    assert watched.failing() == {}

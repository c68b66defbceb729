"""Several monitors with one repository, and everything that can go wrong, at random."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import strategies as st

from tests.kit.clock import FakeClock
from tests.kit.github import AFTER, BEFORE, GitHub
from tests.kit.github_issues import BASE, Crash, IssueMonitor, crash_at, kind
from tests.kit.http import Request

STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # the monitor
        st.dictionaries(st.integers(1, 9), st.sampled_from([*BEFORE, *AFTER]), max_size=3),
        st.sampled_from([None, None, 1, 2, 3, 4, 5, 6, 7]),  # killed at this request
        st.booleans(),  # after it was answered
        st.sampled_from([None, None, None, 1, 2, 3, 4, 5, 6]),  # another monitor starts there
        st.sampled_from([0.0, 1.0, 40.0, 125.0, 1_000.0, 1_900.0, 4_000.0]),  # then passes
        st.sampled_from([False, False, False, True]),  # the history is lost
    ),
    min_size=2,
    max_size=8,
)


class Trial:
    """Three monitors, each with its own history, that open the issues of two kinds."""

    def __init__(self, lag: float) -> None:
        self.clock = FakeClock()
        self.github = GitHub(self.clock.now, lag=lag)
        self.monitors = [IssueMonitor(self.github, self.clock) for _ in range(3)]
        self.kinds = (BASE, kind(fingerprint="f" * 16))

    def step(self, number: int, faults: dict[int, str], between: int | None) -> None:
        """Run a monitor, with faults at some requests, and another that starts in between."""
        begin, started = len(self.github.requests), False

        def fault(_: Request, count: int) -> str | None:
            nonlocal started
            if started:
                return None
            if count - begin == between:
                started = True
                with contextlib.suppress(Crash):
                    self.monitors[(number + 1) % 3].tend(*self.kinds)
            return faults.get(count - begin)

        self.github.fault = fault
        with contextlib.suppress(Crash):
            self.monitors[number].tend(*self.kinds)
        self.check(at_least=0)

    def check(self, at_least: int) -> None:
        """Assert that no kind has two issues."""
        for each in self.kinds:
            assert at_least <= len(self.github.about(each.fingerprint)) <= 1

    def settle(self) -> None:
        """Let nothing go wrong any more: each kind gets its issue."""
        self.github.fault = lambda *_: None
        for _ in range(4):
            self.clock.sleep(4_000.0)
            for monitor in self.monitors:
                monitor.tend(*self.kinds)
                self.check(at_least=0)
        self.check(at_least=1)


def run_trial(steps: list[Any], lag: float) -> None:
    """Run the steps, and assert that there are never two issues of a kind, and one in the end."""
    trial = Trial(lag)
    for number, faults, killed, after, between, wait, wipe in steps:
        restore = crash_at(trial.github, killed or 0, after=after)
        trial.step(number, faults, between)
        restore()
        if wipe:
            trial.monitors[number].wipe()
        trial.clock.sleep(wait)
    trial.settle()

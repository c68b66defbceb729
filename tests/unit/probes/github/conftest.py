"""GitHub in this process, by a clock that only waiting moves."""

import pytest

from tests.kit.clock import FakeClock
from tests.kit.github import GitHub


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def github(clock: FakeClock) -> GitHub:
    return GitHub(clock.now)

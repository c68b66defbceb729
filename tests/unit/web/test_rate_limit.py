"""How much an address may ask for."""

import pytest

from pytest_flowhealth.web.login_throttle import RateLimiter
from tests.kit.clock import FakeClock


def test_a_quota_is_per_address_and_grows_back() -> None:
    clock = FakeClock()
    quota = RateLimiter(clock.now)
    assert [quota.take("203.0.113.1", 3) for _ in range(3)] == [0, 0, 0]
    assert quota.take("203.0.113.1", 3) == pytest.approx(20)
    assert quota.take("203.0.113.2", 3) == 0
    clock.sleep(21.0)
    assert quota.take("203.0.113.1", 3) == 0
    assert quota.take("203.0.113.1", 3) > 0

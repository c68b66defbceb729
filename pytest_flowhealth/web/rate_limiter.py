"""How often an address may do something: so many within a minute, and then as they grow back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from pytest_flowhealth.web.login_throttle import find_network

_REMEMBERED = 10_000


class RateLimiter:
    """Counts by address, in memory alone.

    Args:
        clock: Seconds that only go up.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, per_minute: int) -> float:
        """Return 0 where it may be done, and count it; else the seconds until it may."""
        network_address, now = find_network(address), self._clock()
        left, at = self._left.pop(network_address, (float(per_minute), now))
        left = min(float(per_minute), left + (now - at) * per_minute / 60)
        allowed = left >= 1
        self._left[network_address] = (left - allowed, now)
        while len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        return 0.0 if allowed else max(1.0, (1 - left) * 60 / per_minute)

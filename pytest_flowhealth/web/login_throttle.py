"""Throttle log-ins by address and by account, and limit the rate of requests by address.

Attempts from an address are slowed, then refused; attempts at an account are only slowed.

To refuse an account would let a stranger lock its owner out. One who tries from many addresses is
slowed for the account, except at addresses from which its owner has come before.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable

import msgspec

WINDOW = 900.0
"""Seconds for which a failure counts."""

FREE, REFUSED = 3, 10
"""Failures of one address from which on it is slowed, and refused."""

CROWD = 20
"""Failures of one account, from wherever, from which on strange addresses are slowed."""

SLOWEST = 4.0
"""Seconds that an attempt waits at the most."""

_REMEMBERED = 10_000


class LoginDelay(msgspec.Struct, frozen=True):
    """How long an attempt is delayed, or refused without a check; in seconds."""

    seconds: float = 0.0
    refused: float = 0.0


class LoginThrottle:
    """Count failed log-ins by address and by account.

    Args:
        clock: Seconds that only go up.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str], list[float]] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def begin(self, address: str, user: str) -> LoginDelay:
        """Return what an attempt has to wait; it counts as a failure until `succeeded` says otherwise.

        Counted before it is looked at, so that many at once are no way round it.
        """
        network_address = find_network(address)
        now = self._clock()
        mine = self._recent(("address", network_address), now)
        if len(mine) >= REFUSED:
            return LoginDelay(refused=max(1.0, mine[-REFUSED] + WINDOW - now))
        crowd = self._recent(("account", user), now)
        slow = min(SLOWEST, 0.5 * 2 ** (len(mine) - FREE)) if len(mine) >= FREE else 0.0
        if len(crowd) >= CROWD and (network_address, user) not in self._known:
            slow = SLOWEST
        for key in (("address", network_address), ("account", user)):
            self._failures.setdefault(key, []).append(now)
            self._failures.move_to_end(key)
        _shorten(self._failures)
        return LoginDelay(seconds=slow)

    def record_success(self, address: str, user: str) -> None:
        """Note that a log-in was right: the address is known for this account, and begins anew."""
        network_address = find_network(address)
        self._failures.pop(("address", network_address), None)
        self._known[(network_address, user)] = None
        self._known.move_to_end((network_address, user))
        _shorten(self._known)

    def _recent(self, key: tuple[str, str], now: float) -> list[float]:
        found = [at for at in self._failures.get(key, ()) if now - at < WINDOW][-REFUSED - CROWD :]
        if found:
            self._failures[key] = found
        else:
            self._failures.pop(key, None)
        return found


def find_network(address: str) -> str:
    """Return what counts as one address: of IPv6 the /64 that one household or machine has."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _shorten(
    remembered: OrderedDict[tuple[str, str], list[float]] | OrderedDict[tuple[str, str], None],
) -> None:
    while len(remembered) > _REMEMBERED:
        remembered.popitem(last=False)


_REMEMBERED = 10_000


class RateLimiter:
    """Limit how often an address may do something: a token bucket for each address, in memory.

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

"""From which network a report came, so that nobody can tell it from what is kept, or link two days."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets

DAY = 86_400


class Origins:
    """Keys networks by a salt that is made anew every day (UTC), kept in memory alone, and then destroyed."""

    def __init__(self) -> None:
        self._salt = bytearray()
        self._day: int | None = None

    def key(self, address: str, now: float) -> bytes:
        """Return what stands for an address's network today; `now` in seconds since 1970."""
        self.turn(now)
        if not self._salt:
            self._salt, self._day = bytearray(secrets.token_bytes(32)), int(now // DAY)
        return hmac.digest(self._salt, network(address).encode(), hashlib.sha256)[:16]

    def turn(self, now: float) -> None:
        """Destroy the salt of a day that is over; to be called also where no report comes."""
        if self._day is not None and int(now // DAY) != self._day:
            self._salt[:] = bytes(len(self._salt))
            self._salt, self._day = bytearray(), None


def network(address: str) -> str:
    """Return an address cut to its /24, of IPv6 to its /48."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 48), strict=False))

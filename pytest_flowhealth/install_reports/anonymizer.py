"""Anonymous keys of networks: they can't be traced to an address, nor linked from one day to the next."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets

DAY = 86_400


class NetworkAnonymizer:
    """Keys networks with a salt that lives in memory for one day (UTC) and is then destroyed."""

    def __init__(self) -> None:
        self._salt = bytearray()
        self._day: int | None = None

    def key(self, address: str, now: float) -> bytes:
        """Return today's key of an address's network; `now` in seconds since 1970."""
        self.turn(now)
        if not self._salt:
            self._salt, self._day = bytearray(secrets.token_bytes(32)), int(now // DAY)
        return hmac.digest(self._salt, truncate_address(address).encode(), hashlib.sha256)[:16]

    def turn(self, now: float) -> None:
        """Destroy the salt of a past day. Call it regularly: also when no report arrives."""
        if self._day is not None and int(now // DAY) != self._day:
            self._salt[:] = bytes(len(self._salt))
            self._salt, self._day = bytearray(), None


def truncate_address(address: str) -> str:
    """Return the /24 network of an address; of IPv6 the /48."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 48), strict=False))

"""Watch whether Redis is reachable, and trigger a round when that changes. It judges nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_flowhealth.alerts.daemon_threads import run_in_thread
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import FlowHealthError

if TYPE_CHECKING:
    from pytest_flowhealth.probes.redis.session import ConnectionFactory

COMPONENT = "redis"
"""The component that is due when it changes."""

APART = 5.0
"""Seconds between two rounds that it asks for: one that comes and goes must not keep the machine busy."""

SECOND = 1.0
_LONGEST = 5.0


class RedisWatcher:
    """Send PING to one Redis server each second, on a connection that stays open.

    Sentinels and clusters, which have failover of their own, are left to the rounds.

    Args:
        target: Whose Redis it is.
        wake: Called when it has gone or come back.
    """

    def __init__(self, target: Target, wake: Callable[[], None]) -> None:
        self._target = target
        self._wake = wake
        self._has_changed = False
        self._taken = float("-inf")
        self._reachable: bool | None = None

    def take(self, now: float) -> bool:
        """Tell whether it has gone or come back since this was last told, but not more often than `APART`."""
        if not self._has_changed or now - self._taken < APART:
            return False
        self._has_changed, self._taken = False, now
        return True

    async def run(self) -> None:
        """Watch until it is cancelled."""
        try:
            factory = await run_in_thread(lambda: _make_factory(self._target))
        except (FlowHealthError, OSError):
            return  # the round's checks say what is wrong with the address
        while factory is not None:
            with contextlib.suppress(Exception):  # whatever redis-py raises: it does not answer
                await self._listen(factory)
            self._note_state(reachable=False)
            await asyncio.sleep(SECOND)

    async def _listen(self, factory: ConnectionFactory) -> None:
        """Ask on and on, until an error ends it."""
        from pytest_flowhealth.probes.redis.session import RedisConnection

        session = RedisConnection(factory.address, factory.timeout, factory.clock, factory.tls)
        try:
            await run_in_thread(session.connection.connect)
            while True:
                await run_in_thread(lambda: session.ask("PING"))
                self._note_state(reachable=True)
                # A server that ends closes the connection, and that is felt at once.
                await run_in_thread(lambda: session.connection.can_read(timeout=SECOND))
        finally:
            session.close()

    def _note_state(self, *, reachable: bool) -> None:
        if self._reachable not in (reachable, None):
            self._has_changed = True
            self._wake()
        self._reachable = reachable


def _make_factory(target: Target) -> ConnectionFactory | None:
    from pytest_flowhealth.probes.redis.application import find_address
    from pytest_flowhealth.probes.redis.session import ConnectionFactory

    address = find_address(target)
    if address.kind != "server":
        return None
    return ConnectionFactory(address, min(_LONGEST, target.config.redis.timeout))

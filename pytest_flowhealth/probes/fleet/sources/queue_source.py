"""What the sources of the queue libraries have in common: where one queue's keys are."""

from __future__ import annotations

import time
from collections.abc import Callable

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.fleet.sources import redis_reading
from pytest_flowhealth.probes.fleet.sources.redis_reading import Records
from pytest_flowhealth.probes.redis.session import RedisConnection


class QueueSource:
    """One queue in a Redis.

    Args:
        records: Where it is.
        queue: Its name; None for the only one.
        marker: A key that every queue of the library has.
        prefix: Prefix of the library's keys.
        now: Seconds since 1970.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self,
        records: Records,
        queue: str | None,
        marker: str,
        *,
        prefix: str,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.records = records
        self.queue = queue
        self.marker = marker
        self.prefix = prefix
        self._now = now
        self._clock = clock

    @property
    def place(self) -> str:
        """Where it reads, without a password."""
        queue = f", queue {self.queue}" if self.queue else ""
        return f"{self.records.address.shown}{queue}"

    def _key(self, name: str) -> str:
        return f"{self.prefix}:{self.queue}:{name}"

    def _queues(self, session: RedisConnection) -> list[str]:
        return redis_reading.list_queues(session, self.prefix, self.marker)

    def _find_only(self, session: RedisConnection) -> str:
        """Return the name of the only queue.

        Raises:
            CheckFailed: There is none, or more than one.
        """
        names = self._queues(session)
        if len(names) == 1:
            return names[0]
        existing = f"there are {', '.join(names[:10])}" if names else "there is none"
        raise CheckFailed(
            f"no queue is configured, and {existing} at {self.records.address.shown}",
            remedy='name one: [fleet] queue = "..." in flowhealth.toml',
        )

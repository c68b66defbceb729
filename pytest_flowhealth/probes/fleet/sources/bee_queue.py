"""The source bee-queue: the jobs of one queue of Bee-Queue, from its keys.

Keys as Bee-Queue 1 and 2 write them: lists ``waiting`` and ``active``, sets ``succeeded`` and
``failed``, the sorted set ``delayed`` by the due time in ms, ``id`` with the number of jobs that were
ever added, and for the detection of stalled jobs the set ``stalling`` and the key ``stallBlock``.
Workers have no names, and jobs no times of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.fleet.parsing import decode_text
from pytest_flowhealth.probes.fleet.snapshot import Agents, Snapshot, Tasks, Working
from pytest_flowhealth.probes.fleet.sources import redis_reading
from pytest_flowhealth.probes.fleet.sources.job_queue import GRACE, MOST_ACTIVE, MOST_LOOKED_UP
from pytest_flowhealth.probes.fleet.sources.queue_source import QueueSource
from pytest_flowhealth.probes.fleet.sources.queue_workers import list_clients, waits_for_jobs
from pytest_flowhealth.probes.fleet.sources.redis_reading import Records, send, send_all
from pytest_flowhealth.probes.redis.session import RedisConnection

_SIZES = {
    "waiting": "LLEN",
    "active": "LLEN",
    "succeeded": "SCARD",
    "failed": "SCARD",
    "delayed": "ZCARD",
}
_NO_WORKERS = "Bee-Queue's workers have no names among the server's clients"
_NEVER = {
    **dict.fromkeys(("agents", "busy", "processes"), _NO_WORKERS),
    "heartbeat": "Bee-Queue's workers keep no heartbeat",
    "swarms": "Bee-Queue has no swarms",
    "spawn": "Bee-Queue does not record when a worker was started",
}


class BeeQueue(QueueSource):
    """Reads one queue of Bee-Queue.

    Args:
        records: Where it is.
        queue: Its name; None for the only one.
        prefix: Prefix of the library's keys.
        now: Seconds since 1970.
        clock: Monotonic clock, in seconds.
    """

    name = "bee-queue"

    def __init__(
        self,
        records: Records,
        queue: str | None = None,
        *,
        prefix: str = "bq",
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(records, queue, "id", prefix=prefix, now=now, clock=clock)

    def read(self) -> Snapshot:
        """Return what the queue's keys hold now.

        Raises:
            CheckFailed: There is no connection.
            MeasurementUnavailable: The user may not read the keys, or there is no such queue.
        """
        key = f"{self.prefix}:{self.queue or ''}:id"
        snapshot = self.records.ask(self._read, key=key)
        clients, database = list_clients(self.records, key), self.records.address.database
        if isinstance(clients, str) or any(waits_for_jobs(client, database) for client in clients):
            return snapshot
        # No connection waits for jobs, of whichever queue: there is no worker.
        never = {
            name: why for name, why in snapshot.never.items() if name not in ("agents", "busy")
        }
        return msgspec.structs.replace(snapshot, agents=Agents(total=0, busy=0), never=never)

    def _read(self, session: RedisConnection) -> Snapshot:
        self.queue = self.queue or self._find_only(session)
        now, clock = self._now(), self._clock()
        added = send(session, "GETRANGE", self._key("id"), 0, 20)
        keys = [self._key(name) for name in (*_SIZES, "id", "jobs")]
        if send(session, "EXISTS", *keys) == 0:
            raise MeasurementUnavailable(
                f"no job was added yet to a queue {self.queue!r} with the prefix {self.prefix!r} at "
                f"{self.records.address.shown}",
                remedy="correct [fleet] queue, prefix or url in flowhealth.toml, if it is another one",
            )
        replies = send_all(session, ((size, self._key(name)) for name, size in _SIZES.items()))
        sizes = {
            name: size if isinstance(size, int) else 0
            for name, size in zip(_SIZES, replies, strict=True)
        }
        known = isinstance(added, bytes) and added.isdigit()
        complete = not known or int(added) <= sum(sizes.values())
        due = send(session, "ZCOUNT", self._key("delayed"), 0, int((now - GRACE) * 1_000))
        last = send(session, "LINDEX", self._key("waiting"), -1)
        removed = {"completion": "jobs of the queue are removed when they end (removeOnSuccess)"}
        return Snapshot(
            taken=now,
            clock=clock,
            agents=Agents(),
            tasks=Tasks(
                completed=sizes["succeeded"] if complete else None,
                failed=sizes["failed"] if complete else None,
                active=sizes["active"],
                waiting=sizes["waiting"],
                delayed=sizes["delayed"],
                working=self._working(session),
                basis="all jobs that the queue keeps",
                next_ids=(decode_text(last),) if isinstance(last, bytes) else (),
                overdue=due if isinstance(due, int) else 0,
                lost=self._find_lost(session),
            ),
            local=self.records.address.local,
            never={**_NEVER, **({} if complete else removed)},
            facts={f"jobs_{name}": size for name, size in sizes.items()},
        )

    def _find_lost(self, session: RedisConnection) -> tuple[str, ...]:
        """Return jobs that wait, although their data are gone (evicted, or deleted)."""
        commands = (
            ("LRANGE", self._key("waiting"), -MOST_LOOKED_UP, -1),
            ("LRANGE", self._key("active"), -MOST_LOOKED_UP, -1),
            ("ZRANGE", self._key("delayed"), 0, MOST_LOOKED_UP - 1),
        )
        replies = [reply for reply in send_all(session, commands) if isinstance(reply, list)]
        jobs = [decode_text(job) for reply in replies for job in reply]
        exist = send_all(session, (("HEXISTS", self._key("jobs"), job) for job in jobs))
        return tuple(job[:200] for job, exists in zip(jobs, exist, strict=True) if exists == 0)

    def _working(self, session: RedisConnection) -> tuple[Working, ...]:
        """Return the active jobs; one that is stalling while nobody looks for stalled jobs is lost."""
        listed = send(session, "LRANGE", self._key("active"), 0, MOST_ACTIVE - 1)
        stalling = set(redis_reading.read_members(session, self._key("stalling"), MOST_ACTIVE)[0])
        watched = send(session, "EXISTS", self._key("stallBlock")) == 1
        return tuple(
            Working(decode_text(job)[:200], held=watched or job not in stalling)
            for job in (listed if isinstance(listed, list) else ())
        )

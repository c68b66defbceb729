"""The sources bullmq and bull: the jobs of one queue and its workers, from the keys of the library.

Keys and fields are those of BullMQ 5 and 6 and of Bull 3 and 4 (their documentation, and the Lua
scripts in their packages): lists ``wait``, ``paused`` and ``active``; sorted sets ``completed`` and
``failed`` by the end in ms, ``delayed`` by 4,096 times the due time in ms, and in BullMQ
``prioritized`` and ``waiting-children``; a hash for each job; ``JOB:lock`` with the worker's token
while a worker holds a job; in BullMQ the stream ``events``, and a parent's unfinished children in
the set ``JOB:dependencies``. A worker's blocking connection is named ``PREFIX:BASE64(QUEUE)``, in
BullMQ with ``:w:NAME`` if the worker has a name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import msgspec

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.fleet.parsing import ProblemNotes, RecordParser, decode_text
from pytest_flowhealth.probes.fleet.snapshot import Agents, Snapshot, Tasks, Working
from pytest_flowhealth.probes.fleet.sources import redis_reading
from pytest_flowhealth.probes.fleet.sources.job_history import JobHistory
from pytest_flowhealth.probes.fleet.sources.queue_source import QueueSource
from pytest_flowhealth.probes.fleet.sources.queue_workers import Workers, find_workers, list_clients
from pytest_flowhealth.probes.fleet.sources.redis_reading import (
    Records,
    read_hashes,
    send,
    send_all,
)
from pytest_flowhealth.probes.redis.session import RedisConnection

MOST_ACTIVE = 1_000
"""Active jobs, and waiting parents, that are looked at one by one."""

MOST_LOOKED_UP = 200
"""Jobs of each state whose data are looked up: those that are next."""

MOST_CHILDREN = 50
"""Children of one parent that are looked at."""

GRACE = 5.0
"""Seconds after its due time from which on a delayed job is overdue."""

_SIZES = {"list": "LLEN", "zset": "ZCARD", "set": "SCARD"}
_SCALE = 0x1000


class LibraryLayout(NamedTuple):
    """What differs between the libraries.

    Attributes:
        name: The library.
        states: The keys that hold jobs by their state.
        marker: A key that every queue has.
        counter: The field of a job that counts how often it stalled.
        blocking: Whether only connections that wait for a job are workers; in Bull 3 every
            connection has the worker's name.
    """

    name: str
    states: tuple[str, ...]
    marker: str
    counter: str
    blocking: bool


_STATES = ("wait", "paused", "active", "completed", "failed", "delayed")
BULLMQ = LibraryLayout(
    "bullmq", (*_STATES, "prioritized", "waiting-children"), "meta", "stc", False
)
BULL = LibraryLayout("bull", _STATES, "id", "stalledCounter", True)
LAYOUTS = {layout.name: layout for layout in (BULLMQ, BULL)}


class JobQueue(QueueSource):
    """Reads one queue of BullMQ or Bull.

    Args:
        records: Where it is.
        queue: Its name; None for the only one.
        layout: The library.
        prefix: Prefix of the library's keys.
        window: Seconds that finished jobs count for.
        now: Seconds since 1970.
        clock: Monotonic clock, in seconds.
    """

    def __init__(  # noqa: PLR0913  # each is a setting of the user's
        self,
        records: Records,
        queue: str | None = None,
        *,
        layout: LibraryLayout = BULLMQ,
        prefix: str = "bull",
        window: float = 3_600.0,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(records, queue, layout.marker, prefix=prefix, now=now, clock=clock)
        self.name = layout.name
        self.layout = layout
        self.window = window

    def read(self) -> Snapshot:
        """Return what the queue's keys hold now.

        Raises:
            CheckFailed: There is no connection, or no such queue.
            MeasurementUnavailable: The user may not read the keys.
        """
        key = f"{self.prefix}:{self.queue or ''}:meta"
        queue = self.queue = self.queue or self.records.ask(self._find_only, key=key)
        workers = find_workers(
            list_clients(self.records, key),
            queue,
            prefix=self.prefix,
            database=self.records.address.database,
            blocking=self.layout.blocking,
        )
        # A queue to which no job was added yet has no keys, but its workers are there.
        read = partial(self._read, expected=bool(workers.members))
        snapshot = self.records.ask(read, key=key)
        busy = len({job.holder for job in snapshot.tasks.working or () if job.holder})
        total = len(workers.members)
        if not workers.never and total < busy and not workers.complete:
            # The connections of workers may have no names: CLIENT SETNAME is refused in places.
            reason = f"{busy} workers hold jobs, and {total} connections are named as workers"
            workers = Workers(never=dict.fromkeys(("agents", "processes"), reason))
        elif not workers.never:
            busy = min(busy, total)  # Those that are gone hold their jobs until the locks expire.
        elsewhere = "; ".join(workers.elsewhere)
        return msgspec.structs.replace(
            snapshot,
            agents=Agents(busy=busy) if workers.never else Agents(total, busy, workers.members),
            never={**snapshot.never, **workers.never},
            facts={
                **snapshot.facts,
                **({"workers_elsewhere": elsewhere} if elsewhere else {}),
            },
        )

    def _read(self, session: RedisConnection, *, expected: bool) -> Snapshot:
        notes, now, clock = ProblemNotes(), self._now(), self._clock()
        parser = RecordParser(now, notes)
        sizes = self._sizes(session, expected=expected)
        meta = self._meta(session)
        history = JobHistory(session, self._key, parser, self.window)
        durations, failed_stalled = history.read_durations()
        ended, stalled = history.count_ended(sizes)
        partial = []
        if sizes["active"] > MOST_ACTIVE:
            partial.append(
                f"only {MOST_ACTIVE:,} of {sizes['active']:,} active jobs were looked at"
            )
        return Snapshot(
            taken=now,
            clock=clock,
            tasks=Tasks(
                completed=ended.completed,
                failed=ended.failed,
                active=sizes["active"],
                waiting=sizes["wait"] + sizes["paused"] + sizes.get("prioritized", 0),
                delayed=sizes["delayed"],
                durations=durations,
                working=self._working(session, parser),
                basis=ended.basis,
                next_ids=self._next_ids(session),
                overdue=self._overdue(session, now),
                orphaned=self._orphaned(session),
                stalled=failed_stalled + stalled,
                lost=self._find_lost(session),
                lost_schedules=self._find_lost_schedules(session, now, sizes),
                held_back=self._held_back(session, meta, sizes["active"]),
            ),
            local=self.records.address.local,
            never=self._never(),
            bad=notes.list_problems(),
            partial=tuple(partial),
            facts={
                **{f"jobs_{name}": size for name, size in sizes.items()},
                "paused": "paused" in meta,
                "version": decode_text(meta.get("version"))[:40],
            },
        )

    def _never(self) -> dict[str, str]:
        name = self.name
        return {
            "heartbeat": f"workers of {name} keep no heartbeat; a job whose worker is gone loses its lock",
            "swarms": f"{name} has no swarms",
            "spawn": f"{name} does not record when a worker was started",
        }

    def _sizes(self, session: RedisConnection, *, expected: bool) -> dict[str, int]:
        """Return how many jobs each state holds, by the real type of its key.

        In BullMQ before version 5, a marker ("0:...") may stand at the end of a list.
        """
        states = self.layout.states
        kinds = [
            decode_text(kind)
            for kind in send_all(
                session, (("TYPE", self._key(name)) for name in (*states, self.layout.marker))
            )
        ]
        if set(kinds) == {"none"} and not expected:
            raise self._absent(session)
        held = dict(zip(states, kinds, strict=False))
        counted = {name: kind for name, kind in held.items() if kind in _SIZES}
        replies = send_all(
            session, ((_SIZES[kind], self._key(name)) for name, kind in counted.items())
        )
        sizes = {**dict.fromkeys(states, 0), **dict(zip(counted, replies, strict=True))}
        for name in ("wait", "paused"):
            if held[name] == "list":
                sizes[name] -= self._last(session, name).startswith(b"0:")
        return sizes

    def _absent(self, session: RedisConnection) -> CheckFailed:
        found = self._queues(session)
        existing = f"there are {', '.join(found[:10])}" if found else "there is no queue at all"
        return CheckFailed(
            f"there is no queue {self.queue!r} with the prefix {self.prefix!r} "
            f"at {self.records.address.shown}: {existing}",
            remedy="correct [fleet] queue, prefix or url in flowhealth.toml",
        )

    def _last(self, session: RedisConnection, name: str) -> bytes:
        reply = send(session, "LINDEX", self._key(name), -1)
        return reply if isinstance(reply, bytes) else b""

    def _meta(self, session: RedisConnection) -> Mapping[str, bytes]:
        """Return the queue's settings; Bull has a key of its own for a paused queue."""
        fields = ("paused", "concurrency", "version")
        meta = read_hashes(session, [self._key("meta")], fields)[0]
        if send(session, "EXISTS", self._key("meta-paused")) == 1:
            meta["paused"] = b"1"
        return meta

    def _next_ids(self, session: RedisConnection) -> tuple[str, ...]:
        """Return the jobs that a worker would take next."""
        first = send(session, "ZRANGE", self._key("prioritized"), 0, 0)
        found = [self._last(session, "wait"), *(first if isinstance(first, list) else ())]
        return tuple(decode_text(job) for job in found if job and not job.startswith(b"0:"))

    def _overdue(self, session: RedisConnection, now: float) -> int:
        limit = int((now - GRACE) * 1_000) * _SCALE
        count = send(session, "ZCOUNT", self._key("delayed"), 0, limit)
        return count if isinstance(count, int) else 0

    def _held_back(self, session: RedisConnection, meta: Mapping[str, bytes], active: int) -> str:
        """Return why waiting jobs rightly wait, "" if nothing holds them back."""
        if "paused" in meta:
            return "the queue is paused"
        most = decode_text(meta.get("concurrency"))
        if most.isdigit() and active >= int(most):
            return f"as many jobs are active as the queue's concurrency of {most} allows"
        if send(session, "EXISTS", self._key("limiter")) == 1:
            return "the queue's rate limit holds them back"
        return ""

    def _orphaned(self, session: RedisConnection) -> tuple[str, ...]:
        """Return the parents that wait for children which are gone or have failed."""
        if "waiting-children" not in self.layout.states:
            return ()
        listed = send(session, "ZRANGE", self._key("waiting-children"), 0, MOST_ACTIVE - 1)
        parents = [decode_text(job) for job in listed] if isinstance(listed, list) else []
        found = []
        for parent in parents:
            key = self._key(f"{parent}:dependencies")
            children = redis_reading.read_members(session, key, MOST_CHILDREN)[0]
            gone = [
                child
                for child, there in zip(
                    children,
                    send_all(session, (("EXISTS", child) for child in children)),
                    strict=True,
                )
                if there == 0
            ]
            failed = send_all(session, (("ZSCORE", *_failed(child)) for child in children))
            if not children or gone or any(isinstance(score, bytes) for score in failed):
                found.append(parent)
        return tuple(found)

    def _find_lost(self, session: RedisConnection) -> tuple[str, ...]:
        """Return jobs that a state holds, although their data are gone (evicted, or deleted)."""
        states = [name for name in self.layout.states if name not in ("completed", "failed")]
        kinds = send_all(session, (("TYPE", self._key(name)) for name in states))
        # Those that are next: the last ones of a list, the first ones of a sorted set.
        ranges = {
            "list": ("LRANGE", -MOST_LOOKED_UP, -1),
            "zset": ("ZRANGE", 0, MOST_LOOKED_UP - 1),
        }
        chosen = [
            (self._key(name), ranges.get(decode_text(kind)))
            for name, kind in zip(states, kinds, strict=True)
        ]
        commands = [(read[0], key, *read[1:]) for key, read in chosen if read]
        replies = [reply for reply in send_all(session, commands) if isinstance(reply, list)]
        jobs = [decode_text(job) for reply in replies for job in reply if not job.startswith(b"0:")]
        exist = send_all(session, (("EXISTS", self._key(job)) for job in jobs))
        return tuple(job[:200] for job, exists in zip(jobs, exist, strict=True) if exists == 0)

    def _find_lost_schedules(
        self, session: RedisConnection, now: float, sizes: Mapping[str, int]
    ) -> tuple[str, ...]:
        """Return BullMQ's job schedulers whose next job is past its time and is not in the queue.

        Each job of a scheduler adds the next one: without it, the scheduler never runs again.
        """
        limit = int((now - GRACE) * 1_000)
        reply = send(
            session, "ZRANGEBYSCORE", self._key("repeat"), 0, limit, "WITHSCORES", "LIMIT", 0, 100
        )
        due = reply if isinstance(reply, list) else []
        names = [decode_text(name) for name in due[::2]]
        times = [int(float(score)) for score in due[1::2]]
        jobs = [f"repeat:{name}:{time}" for name, time in zip(names, times, strict=True)]
        exist = send_all(session, (("EXISTS", self._key(job)) for job in jobs))
        scores = send_all(session, (("ZSCORE", self._key("delayed"), job) for job in jobs))
        # In which other state a job is, is not looked up: there may be many in each.
        elsewhere = any(sizes.get(state) for state in ("wait", "paused", "active", "prioritized"))
        fields = ("ic", "limit", "endDate")
        records = read_hashes(session, [self._key(f"repeat:{name}") for name in names], fields)
        return tuple(
            name[:200]
            for name, exists, score, record in zip(names, exist, scores, records, strict=True)
            if (exists == 0 or (score is None and not elsewhere)) and _goes_on(record, now)
        )

    def _working(self, session: RedisConnection, parser: RecordParser) -> tuple[Working, ...]:
        listed = send(session, "LRANGE", self._key("active"), 0, MOST_ACTIVE - 1)
        ids = [decode_text(job) for job in listed] if isinstance(listed, list) else []
        keys = [self._key(job) for job in ids]
        records = read_hashes(session, keys, ("processedOn", self.layout.counter))
        tokens = [*send_all(session, (("GETRANGE", f"{key}:lock", 0, 200) for key in keys))]
        return tuple(
            Working(
                id=parser.text(job, "a job's id") or "?",
                since=parser.moment(
                    decode_text(fields.get("processedOn")), f"the job {job}: processedOn"
                ),
                held=bool(token),
                holder=_worker(token),
            )
            for job, fields, token in zip(ids, records, tokens, strict=True)
            if fields  # A job that ended between two of these questions has none any more.
        )


def _goes_on(scheduler: Mapping[str, bytes], now: float) -> bool:
    """Return whether a job scheduler has further runs; those of older releases do not tell."""
    count, limit, end = (decode_text(scheduler.get(name)) for name in ("ic", "limit", "endDate"))
    ended = end.isdigit() and int(end) <= now * 1_000
    return count.isdigit() and not ended and not (limit.isdigit() and int(count) >= int(limit))


def _worker(token: object) -> str:
    """Return the worker that a lock's token names: BullMQ's is ``WORKER:NUMBER``, Bull's the worker."""
    text = decode_text(token) if isinstance(token, bytes) else ""
    return text.rpartition(":")[0] or text


def _failed(child: bytes) -> Iterator[bytes]:
    """Yield the sorted set of the failed jobs of a child's queue, and the child's id."""
    base, _, job = child.rpartition(b":")
    yield base + b":failed"
    yield job

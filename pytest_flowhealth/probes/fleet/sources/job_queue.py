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
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.fleet.parsing import ProblemNotes, RecordParser, decoded
from pytest_flowhealth.probes.fleet.snapshot import Agent, Agents, Snapshot, Tasks, Working
from pytest_flowhealth.probes.fleet.sources import redis_reading
from pytest_flowhealth.probes.fleet.sources.queue_source import QueueSource
from pytest_flowhealth.probes.fleet.sources.redis_reading import Records, hashes, many, one
from pytest_flowhealth.probes.redis.session import RedisConnection

RECENT = 500
"""Finished jobs of each kind whose fields are read: the latest."""

MOST_ACTIVE = 1_000
"""Active jobs, and waiting parents, that are looked at one by one."""

MOST_CHILDREN = 50
"""Children of one parent that are looked at."""

MOST_EVENTS = 10_000
"""Entries of the stream of events that are read: as many as BullMQ keeps by default."""

GRACE = 5.0
"""Seconds after its due time from which on a delayed job is overdue."""

STALLED = b"job stalled more than allowable limit"
"""Reason of a job that failed since its worker lost it too often."""

_SIZES = {"list": "LLEN", "zset": "ZCARD", "set": "SCARD"}
_BLOCKING = frozenset({"brpoplpush", "blmove", "bzpopmin", "brpop"})
_SCALE = 0x1000


class Layout(NamedTuple):
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
BULLMQ = Layout("bullmq", (*_STATES, "prioritized", "waiting-children"), "meta", "stc", False)
BULL = Layout("bull", _STATES, "id", "stalledCounter", True)
LAYOUTS = {layout.name: layout for layout in (BULLMQ, BULL)}


class EndedJobs(NamedTuple):
    """How many jobs ended well, how many did not, and over what that was counted."""

    completed: int
    failed: int
    basis: str

    @property
    def all(self) -> int:
        """How many there are."""
        return self.completed + self.failed


class Workers(msgspec.Struct, frozen=True):
    """The workers' connections, what can't be known of them, and workers that are elsewhere."""

    members: tuple[Agent, ...] = ()
    never: dict[str, str] = {}
    elsewhere: tuple[str, ...] = ()


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
        layout: Layout = BULLMQ,
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
        snapshot = self.records.ask(self._read, key=key)
        workers = self._workers(key)
        working = snapshot.tasks.working or ()
        busy = len({one.holder for one in working if one.holder})
        total = len(workers.members)
        if not workers.never and total < busy:
            # The connections of workers may have no names: CLIENT SETNAME is refused in places.
            why = f"{busy} workers hold jobs, and {total} connections are named as workers"
            workers = Workers(never=dict.fromkeys(("agents", "processes"), why))
        return msgspec.structs.replace(
            snapshot,
            agents=Agents(busy=busy) if workers.never else Agents(total, busy, workers.members),
            never={**snapshot.never, **workers.never},
            facts={
                **snapshot.facts,
                **(
                    {"workers_elsewhere": "; ".join(workers.elsewhere)} if workers.elsewhere else {}
                ),
            },
        )

    def _read(self, session: RedisConnection) -> Snapshot:
        self.queue = self.queue or self._only(session)
        notes, now, clock = ProblemNotes(), self._now(), self._clock()
        taker = RecordParser(now, notes)
        sizes = self._sizes(session)
        meta = self._meta(session)
        working = self._working(session, taker)
        durations, stalled = self._finished(session, taker)
        ended, heard = self._ended(session, now, sizes)
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
                working=working,
                basis=ended.basis,
                next_ids=self._next_ids(session),
                overdue=self._overdue(session, now),
                orphaned=self._orphaned(session),
                stalled=stalled + heard,
                held_back=self._held_back(session, meta, sizes["active"]),
            ),
            local=self.records.address.local,
            never=self._never(),
            bad=notes.told(),
            partial=tuple(partial),
            facts={
                **{f"jobs_{name}": size for name, size in sizes.items()},
                "paused": "paused" in meta,
                "version": decoded(meta.get("version"))[:40],
            },
        )

    def _never(self) -> dict[str, str]:
        name = self.name
        return {
            "heartbeat": f"workers of {name} keep no heartbeat; a job whose worker is gone loses its lock",
            "swarms": f"{name} has no swarms",
            "spawn": f"{name} does not record when a worker was started",
        }

    def _sizes(self, session: RedisConnection) -> dict[str, int]:
        """Return how many jobs each state holds, by the real type of its key.

        In BullMQ before version 5, a marker ("0:...") may stand at the end of a list.
        """
        states = self.layout.states
        kinds = [
            decoded(kind)
            for kind in many(
                session, (("TYPE", self._key(name)) for name in (*states, self.layout.marker))
            )
        ]
        if set(kinds) == {"none"}:
            raise self._absent(session)
        held = dict(zip(states, kinds, strict=False))
        counted = {name: kind for name, kind in held.items() if kind in _SIZES}
        replies = many(session, ((_SIZES[kind], self._key(name)) for name, kind in counted.items()))
        sizes = {**dict.fromkeys(states, 0), **dict(zip(counted, replies, strict=True))}
        for name in ("wait", "paused"):
            if held[name] == "list":
                sizes[name] -= self._last(session, name).startswith(b"0:")
        return sizes

    def _absent(self, session: RedisConnection) -> CheckFailed:
        found = self._queues(session)
        told = f"there are {', '.join(found[:10])}" if found else "there is no queue at all"
        return CheckFailed(
            f"there is no queue {self.queue!r} with the prefix {self.prefix!r} "
            f"at {self.records.address.shown}: {told}",
            remedy="correct [fleet] queue, prefix or url in flowhealth.toml",
        )

    def _last(self, session: RedisConnection, name: str) -> bytes:
        reply = one(session, "LINDEX", self._key(name), -1)
        return reply if isinstance(reply, bytes) else b""

    def _meta(self, session: RedisConnection) -> Mapping[str, bytes]:
        """Return the queue's settings; Bull has a key of its own for a paused queue."""
        fields = ("paused", "concurrency", "version")
        meta = hashes(session, [self._key("meta")], fields)[0]
        if one(session, "EXISTS", self._key("meta-paused")) == 1:
            meta["paused"] = b"1"
        return meta

    def _next_ids(self, session: RedisConnection) -> tuple[str, ...]:
        """Return the jobs that a worker would take next."""
        first = one(session, "ZRANGE", self._key("prioritized"), 0, 0)
        found = [self._last(session, "wait"), *(first if isinstance(first, list) else ())]
        return tuple(decoded(job) for job in found if job and not job.startswith(b"0:"))

    def _overdue(self, session: RedisConnection, now: float) -> int:
        limit = int((now - GRACE) * 1_000) * _SCALE
        count = one(session, "ZCOUNT", self._key("delayed"), 0, limit)
        return count if isinstance(count, int) else 0

    def _held_back(self, session: RedisConnection, meta: Mapping[str, bytes], active: int) -> str:
        """Return why waiting jobs rightly wait, "" if nothing holds them back."""
        if "paused" in meta:
            return "the queue is paused"
        most = decoded(meta.get("concurrency"))
        if most.isdigit() and active >= int(most):
            return f"as many jobs are active as the queue's concurrency of {most} allows"
        if one(session, "EXISTS", self._key("limiter")) == 1:
            return "the queue's rate limit holds them back"
        return ""

    def _orphaned(self, session: RedisConnection) -> tuple[str, ...]:
        """Return the parents that wait for children which are gone or have failed."""
        if "waiting-children" not in self.layout.states:
            return ()
        listed = one(session, "ZRANGE", self._key("waiting-children"), 0, MOST_ACTIVE - 1)
        parents = [decoded(job) for job in listed] if isinstance(listed, list) else []
        found = []
        for parent in parents:
            key = self._key(f"{parent}:dependencies")
            children = redis_reading.members(session, key, MOST_CHILDREN)[0]
            gone = [
                child
                for child, there in zip(
                    children, many(session, (("EXISTS", child) for child in children)), strict=True
                )
                if there == 0
            ]
            failed = many(session, (("ZSCORE", *_failed(child)) for child in children))
            if not children or gone or any(isinstance(score, bytes) for score in failed):
                found.append(parent)
        return tuple(found)

    def _workers(self, key: str) -> Workers:
        """Return the workers by their connections, which CLIENT LIST names."""
        try:
            listed = self.records.ask_optional(
                lambda session: session.query("CLIENT", "LIST"), key=key
            )
        except MeasurementUnavailable as error:
            why = f"CLIENT LIST is not available ({error.message})"
            return Workers(never=dict.fromkeys(("agents", "processes"), why))
        ours, elsewhere, unnamed = [], [], 0
        for client in listed[:10_000]:
            address, database = str(client.get("addr", "?")), str(client.get("db", self._database))
            worker, _, label = str(client.get("name", "")).partition(":w:")
            unnamed += not worker and client.get("cmd") in _BLOCKING and database == self._database
            prefix = self._worker_prefix(worker, client)
            if prefix is None:
                continue
            # BullMQ writes "undefined" for an option `prefix: undefined`, which means the default.
            if prefix not in (self.prefix, "undefined") or database != self._database:
                elsewhere.append(f"one in database {database} with the prefix {prefix}"[:200])
            else:
                ours.append(Agent(id=label[:200] or f"worker at {address}", address=address))
        if unnamed and not ours:
            why = "connections that wait for jobs have no names (CLIENT SETNAME is not available)"
            return Workers(never=dict.fromkeys(("agents", "processes"), why))
        return Workers(tuple(ours), {}, tuple(dict.fromkeys(elsewhere)))

    @property
    def _database(self) -> str:
        return str(self.records.address.database)

    def _worker_prefix(self, name: str, client: Mapping[str, Any]) -> str | None:
        """Return the prefix in the name of a connection, None if it is no worker of this queue."""
        prefix, _, queue = name.rpartition(":")
        if queue != b64encode((self.queue or "").encode()).decode():
            return None
        if self.layout.blocking and client.get("cmd") not in _BLOCKING:
            return None
        return prefix

    def _working(self, session: RedisConnection, taker: RecordParser) -> tuple[Working, ...]:
        listed = one(session, "LRANGE", self._key("active"), 0, MOST_ACTIVE - 1)
        ids = [decoded(job) for job in listed] if isinstance(listed, list) else []
        keys = [self._key(job) for job in ids]
        told = hashes(session, keys, ("processedOn", self.layout.counter))
        tokens = [*many(session, (("GETRANGE", f"{key}:lock", 0, 200) for key in keys))]
        return tuple(
            Working(
                id=taker.text(job, "a job's id") or "?",
                since=taker.moment(
                    decoded(fields.get("processedOn")), f"the job {job}: processedOn"
                ),
                held=bool(token),
                holder=_worker(token),
            )
            for job, fields, token in zip(ids, told, tokens, strict=True)
            if fields  # A job that ended between two of these questions has none any more.
        )

    def _finished(
        self, session: RedisConnection, taker: RecordParser
    ) -> tuple[tuple[float, ...], int]:
        """Return how long the latest finished jobs took, in s, and how many of them had stalled."""
        jobs: list[str] = []
        for kind in ("completed", "failed"):
            latest = one(session, "ZREVRANGE", self._key(kind), 0, RECENT - 1)
            jobs += [decoded(job) for job in latest] if isinstance(latest, list) else []
        fields = ("processedOn", "finishedOn", "failedReason")
        told = hashes(session, [self._key(job) for job in jobs], fields)
        found, stalled = [], 0
        for job, values in zip(jobs, told, strict=True):
            begin, end = (
                taker.moment(decoded(values.get(name)), f"the job {job}: {name}")
                for name in ("processedOn", "finishedOn")
            )
            if begin and end and end >= begin:
                found.append(end - begin)
            recent = end is None or end >= taker.now - self.window
            stalled += recent and values.get("failedReason") == STALLED
        return tuple(found), stalled

    def _ended(
        self, session: RedisConnection, now: float, sizes: dict[str, int]
    ) -> tuple[EndedJobs, int]:
        """Return the jobs that ended within the window, and how often one stalled by the events.

        Jobs may be removed when they end (removeOnComplete, removeOnFail), of one kind more
        than of the other. Then only the time counts for which both kinds are kept; or the
        stream of events, as far back as it goes, where that has more of them.
        """
        since = int((now - self.window) * 1_000)
        heard, stalled = self._heard(session, now)
        if not self._removed(session, sizes):
            basis = f"that ended within {format_number(self.window / 60)} min"
            return self._kept(session, since, basis), stalled
        oldest = max(since, *(self._oldest(session, kind) for kind in ("completed", "failed")))
        kept = self._kept(session, oldest, f"of the last {_minutes(now, oldest)} min that are kept")
        return (kept if heard is None or heard.all <= kept.all else heard), stalled

    def _removed(self, session: RedisConnection, sizes: dict[str, int]) -> bool:
        """Return whether there are fewer jobs than were ever added."""
        added = one(session, "GETRANGE", self._key("id"), 0, 20)
        return not (
            isinstance(added, bytes) and added.isdigit() and int(added) <= sum(sizes.values())
        )

    def _oldest(self, session: RedisConnection, kind: str) -> int:
        """Return when the first job of a kind that is kept ended, in ms; 0 for none."""
        first = one(session, "ZRANGE", self._key(kind), 0, 0, "WITHSCORES")
        score = decoded(first[1]).partition(".")[0] if isinstance(first, list) and first[1:] else ""
        return int(score) if score.isdigit() else 0

    def _kept(self, session: RedisConnection, since: int, words: str) -> EndedJobs:
        counts = [
            reply if isinstance(reply, int) else 0
            for reply in many(
                session,
                (("ZCOUNT", self._key(kind), since, "+inf") for kind in ("completed", "failed")),
            )
        ]
        return EndedJobs(counts[0], counts[1], f"the jobs {words}")

    def _heard(self, session: RedisConnection, now: float) -> tuple[EndedJobs | None, int]:
        """Return how many jobs ended how by the stream of events, and how often one stalled."""
        since = int((now - self.window) * 1_000)
        entries = one(session, "XREVRANGE", self._key("events"), "+", since, "COUNT", MOST_EVENTS)
        if not isinstance(entries, list) or not entries:
            return None, 0
        ends: dict[bytes, bytes] = {}
        stalled = 0
        for _, fields in entries:
            told = dict(zip(fields[::2], fields[1::2], strict=False))
            if told.get(b"event") in (b"completed", b"failed"):
                ends.setdefault(told.get(b"jobId", b""), told[b"event"])
            stalled += told.get(b"event") == b"stalled"
        completed = sum(end == b"completed" for end in ends.values())
        oldest = decoded(entries[-1][0]).partition("-")[0]
        begin = int(oldest) if oldest.isdigit() else since
        basis = f"the jobs in the events of the last {_minutes(now, begin)} min"
        return EndedJobs(completed, len(ends) - completed, basis), stalled


def _worker(token: object) -> str:
    """Return the worker that a lock's token names: BullMQ's is ``WORKER:NUMBER``, Bull's the worker."""
    text = decoded(token) if isinstance(token, bytes) else ""
    return text.rpartition(":")[0] or text


def _failed(child: bytes) -> Iterator[bytes]:
    """Yield the sorted set of the failed jobs of a child's queue, and the child's id."""
    base, _, job = child.rpartition(b":")
    yield base + b":failed"
    yield job


def _minutes(now: float, since: int) -> str:
    """Return the minutes from `since`, in ms, to `now`, in s."""
    return format_number(max(0.1, round((now - since / 1_000) / 60, 1)))

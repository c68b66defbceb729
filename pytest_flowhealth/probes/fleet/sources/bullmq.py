"""The source bullmq: the jobs of one queue and its workers, read from the keys that BullMQ keeps.

Keys and fields as BullMQ 5 and 6 write them (docs.bullmq.io, and the scripts in its
package): lists ``wait``, ``paused`` and ``active``; sorted sets ``completed`` and ``failed``
by the moment of the end in ms, ``delayed``, ``prioritized`` and ``waiting-children``; a hash
for each job with ``timestamp``, ``processedOn`` and ``finishedOn``; ``JOB:lock`` while a worker
holds a job; the stream ``events``. A worker's blocking connection is named
``PREFIX:BASE64(QUEUE)``, with ``:w:NAME`` for a named one.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.fleet.parsing import Notes, Taker, decoded
from pytest_flowhealth.probes.fleet.snapshot import Agent, Agents, Snapshot, Tasks, Working
from pytest_flowhealth.probes.fleet.sources import redis_reading
from pytest_flowhealth.probes.fleet.sources.redis_reading import Records, hashes, many, one
from pytest_flowhealth.probes.redis.session import Session

STATES = (
    *("wait", "paused", "active", "completed", "failed"),
    *("delayed", "prioritized", "waiting-children"),
)
"""The keys that hold jobs by their state."""

RECENT = 500
"""Finished jobs of each kind whose durations are read: the latest."""

MOST_ACTIVE = 1_000
"""Active jobs that are looked at one by one."""

MOST_EVENTS = 10_000
"""Entries of the stream of events that are read: as many as BullMQ keeps by default."""

_SIZES = {"list": "LLEN", "zset": "ZCARD", "set": "SCARD"}
_NEVER = {
    "heartbeat": "BullMQ's workers keep no heartbeat; a job whose worker is gone has lost its lock",
    "swarms": "BullMQ has no swarms",
    "spawn": "BullMQ does not record when a worker was started",
}


class Ended(NamedTuple):
    """Jobs that ended: how many well, how many not, and over what that was counted."""

    completed: int
    failed: int
    basis: str

    @property
    def all(self) -> int:
        """How many there are."""
        return self.completed + self.failed


class BullMQ:
    """Reads one queue.

    Args:
        records: Where it is.
        queue: Its name; None for the only one that is there.
        prefix: What BullMQ's keys begin with.
        window: Seconds that finished jobs count for.
        now: Seconds since 1970.
        clock: Seconds that only go up.
    """

    name = "bullmq"

    def __init__(
        self,
        records: Records,
        queue: str | None = None,
        *,
        prefix: str = "bull",
        window: float = 3_600.0,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.records = records
        self.queue = queue
        self.prefix = prefix
        self.window = window
        self._now = now
        self._clock = clock

    @property
    def place(self) -> str:
        """Where it reads, without a password."""
        queue = f", queue {self.queue}" if self.queue else ""
        return f"{self.records.address.shown}{queue}"

    def read(self) -> Snapshot:
        """Return what the queue's keys tell now.

        Raises:
            CheckFailed: There is no connection, or no such queue.
            MeasurementUnavailable: Our user may not read the keys.
        """
        key = f"{self.prefix}:{self.queue or ''}:meta"
        return self.records.ask(self._read, key=key)

    def _read(self, session: Session) -> Snapshot:
        self.queue = self.queue or self._only(session)
        notes, now, clock = Notes(), self._now(), self._clock()
        taker = Taker(now, notes)
        sizes = self._sizes(session)
        partial: list[str] = []
        workers, never = self._workers(session, taker)
        working = self._working(session, taker)
        if sizes["active"] > MOST_ACTIVE:
            partial.append(
                f"only {MOST_ACTIVE:,} of {sizes['active']:,} active jobs were looked at"
            )
        ended = self._ended(session, now, sizes)
        return Snapshot(
            taken=now,
            clock=clock,
            agents=Agents() if never else Agents.of(workers),
            tasks=Tasks(
                completed=ended.completed,
                failed=ended.failed,
                active=sizes["active"],
                waiting=sizes["wait"] + sizes["paused"] + sizes["prioritized"],
                delayed=sizes["delayed"],
                durations=self._durations(session, taker),
                working=working,
                basis=ended.basis,
            ),
            local=self.records.address.local,
            never={**_NEVER, **never},
            bad=notes.told(),
            partial=tuple(partial),
            facts=self._facts(session, sizes),
        )

    def _key(self, name: str) -> str:
        return f"{self.prefix}:{self.queue}:{name}"

    def _only(self, session: Session) -> str:
        """Return the name of the only queue."""
        found = self._queues(session)
        if len(found) == 1:
            return found[0]
        told = f"there are {', '.join(found[:10])}" if found else "there is none"
        raise CheckFailed(
            f"no queue is configured, and {told} at {self.records.address.shown}",
            remedy='name one: [fleet] queue = "..." in flowhealth.toml',
        )

    def _queues(self, session: Session) -> list[str]:
        keys, _ = redis_reading.scanned(session, f"{self.prefix}:*:meta", 100)
        begin, end = len(self.prefix) + 1, -len(":meta")
        return sorted(decoded(key)[begin:end] for key in keys)

    def _sizes(self, session: Session) -> dict[str, int]:
        """Return how many jobs each state holds, by the real type of its key.

        In BullMQ before version 5, a marker ("0:...") may stand at the end of a list.
        """
        kinds = [
            decoded(kind)
            for kind in many(session, (("TYPE", self._key(name)) for name in (*STATES, "meta")))
        ]
        if set(kinds) == {"none"}:
            raise self._absent(session)
        held = dict(zip(STATES, kinds, strict=False))
        counted = {name: kind for name, kind in held.items() if kind in _SIZES}
        replies = many(session, ((_SIZES[kind], self._key(name)) for name, kind in counted.items()))
        sizes = {**dict.fromkeys(STATES, 0), **dict(zip(counted, replies, strict=True))}
        for name in ("wait", "paused"):
            if held[name] == "list":
                last = one(session, "LINDEX", self._key(name), -1)
                sizes[name] -= isinstance(last, bytes) and last.startswith(b"0:")
        return sizes

    def _absent(self, session: Session) -> CheckFailed:
        found = self._queues(session)
        told = f"there are {', '.join(found[:10])}" if found else "there is no queue at all"
        return CheckFailed(
            f"there is no queue {self.queue!r} with the prefix {self.prefix!r} "
            f"at {self.records.address.shown}: {told}",
            remedy="correct [fleet] queue, prefix or url in flowhealth.toml",
        )

    def _workers(self, session: Session, taker: Taker) -> tuple[tuple[Agent, ...], dict[str, str]]:
        """Return the workers by their connections, and what can't be known of them."""
        try:
            reply = one(session, "CLIENT", "LIST")
        except MeasurementUnavailable as error:
            why = f"our user may not send CLIENT LIST ({error.message})"
            return (), dict.fromkeys(("agents", "busy", "processes"), why)
        return tuple(self._agents(decoded_lines(reply), taker)), {}

    def _agents(self, lines: list[str], taker: Taker) -> Iterator[Agent]:
        name = f"{self.prefix}:{b64encode((self.queue or '').encode()).decode()}"
        for line in lines:
            told = dict(part.partition("=")[::2] for part in line.split(" "))
            named = told.get("name", "")
            if named != name and not named.startswith(f"{name}:w:"):
                continue
            label = named[len(name) + len(":w:") :] or f"worker at {told.get('addr')}"
            # Its connection waits for the next job as long as it has room for one.
            state = "idle" if "b" in told.get("flags", "") else "busy"
            yield Agent(
                id=taker.text(label, "a worker's name") or "?",
                state=state,
                address=told.get("addr"),
            )

    def _working(self, session: Session, taker: Taker) -> tuple[Working, ...]:
        listed = one(session, "LRANGE", self._key("active"), 0, MOST_ACTIVE - 1)
        ids = [decoded(job) for job in listed] if isinstance(listed, list) else []
        keys = [self._key(job) for job in ids]
        told = hashes(session, keys, ("processedOn",))
        locks = [*many(session, (("EXISTS", f"{key}:lock") for key in keys))]
        return tuple(
            Working(
                id=taker.text(job, "a job's id") or "?",
                since=taker.moment(
                    decoded(fields.get("processedOn")), f"the job {job}: processedOn"
                ),
                held=bool(lock),
            )
            for job, fields, lock in zip(ids, told, locks, strict=True)
            if fields  # A job that ended between two of our questions has none any more.
        )

    def _durations(self, session: Session, taker: Taker) -> tuple[float, ...]:
        """Return how long the latest finished jobs took, in s."""
        jobs: list[str] = []
        for kind in ("completed", "failed"):
            latest = one(session, "ZREVRANGE", self._key(kind), 0, RECENT - 1)
            jobs += [decoded(job) for job in latest] if isinstance(latest, list) else []
        told = hashes(session, [self._key(job) for job in jobs], ("processedOn", "finishedOn"))
        found = []
        for job, fields in zip(jobs, told, strict=True):
            begin, end = (
                taker.moment(decoded(fields.get(name)), f"the job {job}: {name}")
                for name in ("processedOn", "finishedOn")
            )
            if begin and end and end >= begin:
                found.append(end - begin)
        return tuple(found)

    def _ended(self, session: Session, now: float, sizes: dict[str, int]) -> Ended:
        """Return the jobs that ended within the window.

        Jobs may be removed when they end (removeOnComplete, removeOnFail), of one kind more
        than of the other. Then only the time counts for which both kinds are kept; or the
        stream of events, as far back as it goes, where that tells of more of them.
        """
        since = int((now - self.window) * 1_000)
        if not self._removed(session, sizes):
            return self._kept(
                session, since, f"that ended within {format_number(self.window / 60)} min"
            )
        oldest = max(since, *(self._oldest(session, kind) for kind in ("completed", "failed")))
        kept = self._kept(session, oldest, f"of the last {_minutes(now, oldest)} min that are kept")
        heard = self._heard(session, now)
        return kept if heard is None or heard.all <= kept.all else heard

    def _removed(self, session: Session, sizes: dict[str, int]) -> bool:
        """Tell whether there are fewer jobs than were ever added."""
        added = one(session, "GETRANGE", self._key("id"), 0, 20)
        return not (
            isinstance(added, bytes) and added.isdigit() and int(added) <= sum(sizes.values())
        )

    def _oldest(self, session: Session, kind: str) -> int:
        """Return when the first job of a kind that is kept ended, in ms; 0 for none."""
        first = one(session, "ZRANGE", self._key(kind), 0, 0, "WITHSCORES")
        score = decoded(first[1]).partition(".")[0] if isinstance(first, list) and first[1:] else ""
        return int(score) if score.isdigit() else 0

    def _kept(self, session: Session, since: int, words: str) -> Ended:
        counts = [
            reply if isinstance(reply, int) else 0
            for reply in many(
                session,
                (("ZCOUNT", self._key(kind), since, "+inf") for kind in ("completed", "failed")),
            )
        ]
        return Ended(counts[0], counts[1], f"the jobs {words}")

    def _heard(self, session: Session, now: float) -> Ended | None:
        """Return how many jobs ended how by the stream of events, each by its last end."""
        since = int((now - self.window) * 1_000)
        entries = one(session, "XREVRANGE", self._key("events"), "+", since, "COUNT", MOST_EVENTS)
        if not isinstance(entries, list) or not entries:
            return None
        ends: dict[bytes, bytes] = {}
        for _, fields in entries:
            told = dict(zip(fields[::2], fields[1::2], strict=False))
            if told.get(b"event") in (b"completed", b"failed"):
                ends.setdefault(told.get(b"jobId", b""), told[b"event"])
        completed = sum(end == b"completed" for end in ends.values())
        oldest = decoded(entries[-1][0]).partition("-")[0]
        begin = int(oldest) if oldest.isdigit() else since
        basis = f"the jobs that the events of the last {_minutes(now, begin)} min tell of"
        return Ended(completed, len(ends) - completed, basis)

    def _facts(self, session: Session, sizes: dict[str, int]) -> dict[str, Any]:
        meta = hashes(session, [self._key("meta")], ("paused", "version"))[0]
        facts: dict[str, Any] = {f"jobs_{name}": size for name, size in sizes.items()}
        facts["paused"] = "paused" in meta
        facts["version"] = decoded(meta.get("version"))[:40]
        return facts


def decoded_lines(reply: object) -> list[str]:
    """Return the lines of CLIENT LIST, 10,000 at the most."""
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
    return text.splitlines()[:10_000]


def _minutes(now: float, since: int) -> str:
    """Return the minutes from `since`, in ms, to `now`, in s."""
    return format_number(max(0.1, round((now - since / 1_000) / 60, 1)))

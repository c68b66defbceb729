"""The jobs of a queue of BullMQ or Bull that ended: how many, how long they took, how often one stalled."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.probes.fleet.parsing import RecordParser, decode_text
from pytest_flowhealth.probes.fleet.sources.redis_reading import read_hashes, send, send_all
from pytest_flowhealth.probes.redis.session import RedisConnection

RECENT = 500
"""Finished jobs of each kind whose fields are read: the latest."""

MOST_EVENTS = 10_000
"""Entries of the stream of events that are read: as many as BullMQ keeps by default."""

STALLED = b"job stalled more than allowable limit"
"""Reason of a job that failed since its worker lost it too often."""


class EndedJobs(NamedTuple):
    """How many jobs ended well, how many did not, and over what that was counted."""

    completed: int
    failed: int
    basis: str

    @property
    def all(self) -> int:
        """How many there are."""
        return self.completed + self.failed


class JobHistory:
    """Reads the jobs of one queue that ended.

    Args:
        session: A connection to its Redis.
        key: Returns the name of a key of the queue.
        parser: Parses the fields of jobs, and knows the time.
        window: Seconds that finished jobs count for.
    """

    def __init__(
        self,
        session: RedisConnection,
        key: Callable[[str], str],
        parser: RecordParser,
        window: float,
    ) -> None:
        self._session = session
        self._key = key
        self._parser = parser
        self._window = window

    def read_durations(self) -> tuple[tuple[float, ...], int]:
        """Return how long the latest finished jobs took, in s, and how many of them had stalled."""
        jobs: list[str] = []
        for kind in ("completed", "failed"):
            latest = send(self._session, "ZREVRANGE", self._key(kind), 0, RECENT - 1)
            jobs += [decode_text(job) for job in latest] if isinstance(latest, list) else []
        fields = ("processedOn", "finishedOn", "failedReason")
        records = read_hashes(self._session, [self._key(job) for job in jobs], fields)
        found, stalled = [], 0
        for job, values in zip(jobs, records, strict=True):
            begin, end = (
                self._parser.moment(decode_text(values.get(name)), f"the job {job}: {name}")
                for name in ("processedOn", "finishedOn")
            )
            if begin and end and end >= begin:
                found.append(end - begin)
            recent = end is None or end >= self._parser.now - self._window
            stalled += recent and values.get("failedReason") == STALLED
        return tuple(found), stalled

    def count_ended(self, sizes: dict[str, int]) -> tuple[EndedJobs, int]:
        """Return the jobs that ended within the window, and how often one stalled by the events.

        Jobs may be removed when they end (removeOnComplete, removeOnFail), of one kind more
        than of the other. Then only the time counts for which both kinds are kept; or the
        stream of events, as far back as it goes, where that has more of them.
        """
        since = int((self._parser.now - self._window) * 1_000)
        events, stalled = self._count_events()
        if not self._are_removed(sizes):
            basis = f"that ended within {format_number(self._window / 60)} min"
            return self._count_since(since, basis), stalled
        oldest = max(since, *(self._find_oldest(kind) for kind in ("completed", "failed")))
        counted = self._count_since(
            oldest, f"of the last {_minutes(self._parser.now, oldest)} min that are kept"
        )
        return (counted if events is None or events.all <= counted.all else events), stalled

    def _are_removed(self, sizes: dict[str, int]) -> bool:
        """Return whether there are fewer jobs than were ever added."""
        added = send(self._session, "GETRANGE", self._key("id"), 0, 20)
        return not (
            isinstance(added, bytes) and added.isdigit() and int(added) <= sum(sizes.values())
        )

    def _find_oldest(self, kind: str) -> int:
        """Return when the first job of a kind that is kept ended, in ms; 0 for none."""
        first = send(self._session, "ZRANGE", self._key(kind), 0, 0, "WITHSCORES")
        score = (
            decode_text(first[1]).partition(".")[0] if isinstance(first, list) and first[1:] else ""
        )
        return int(score) if score.isdigit() else 0

    def _count_since(self, since: int, words: str) -> EndedJobs:
        counts = [
            reply if isinstance(reply, int) else 0
            for reply in send_all(
                self._session,
                (("ZCOUNT", self._key(kind), since, "+inf") for kind in ("completed", "failed")),
            )
        ]
        return EndedJobs(counts[0], counts[1], f"the jobs {words}")

    def _count_events(self) -> tuple[EndedJobs | None, int]:
        """Return how many jobs ended how by the stream of events, and how often one stalled."""
        since = int((self._parser.now - self._window) * 1_000)
        entries = send(
            self._session, "XREVRANGE", self._key("events"), "+", since, "COUNT", MOST_EVENTS
        )
        if not isinstance(entries, list) or not entries:
            return None, 0
        ends: dict[bytes, bytes] = {}
        stalled = 0
        for _, fields in entries:
            event = dict(zip(fields[::2], fields[1::2], strict=False))
            if event.get(b"event") in (b"completed", b"failed"):
                ends.setdefault(event.get(b"jobId", b""), event[b"event"])
            stalled += event.get(b"event") == b"stalled"
        completed = sum(end == b"completed" for end in ends.values())
        oldest = decode_text(entries[-1][0]).partition("-")[0]
        begin = int(oldest) if oldest.isdigit() else since
        basis = f"the jobs in the events of the last {_minutes(self._parser.now, begin)} min"
        return EndedJobs(completed, len(ends) - completed, basis), stalled


def _minutes(now: float, since: int) -> str:
    """Return the minutes from `since`, in ms, to `now`, in s."""
    return format_number(max(0.1, round((now - since / 1_000) / 60, 1)))

"""What a Redis server tells of itself: INFO and the slow log, both of which only read.

Fields: https://redis.io/docs/latest/commands/info/. What a release does not
tell is `None`.
"""

from __future__ import annotations

import math
import time
from typing import Any

import msgspec

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.redis.session import Session

SLOWLOG_ENTRIES = 128
"""Entries of the slow log that are read at most; as many as Redis keeps by default."""


class Memory(msgspec.Struct, frozen=True):
    """Memory, in bytes.

    Attributes:
        used: What the data and the server's own structures take (used_memory).
        peak: The most that `used` was since the start.
        rss: What the system has given the process.
        maxmemory: The limit; 0 for none.
        policy: What happens at the limit, such as "noeviction" (maxmemory_policy).
        uncounted: What does not count against the limit (mem_not_counted_for_evict).
        fragmentation: `rss` divided by `used` (mem_fragmentation_ratio).
    """

    used: int | None
    peak: int | None
    rss: int | None
    maxmemory: int | None
    policy: str | None
    uncounted: int | None
    fragmentation: float | None

    @property
    def share(self) -> float | None:
        """Percent of the limit at which writes are refused; `None` where they never are."""
        if not self.maxmemory or self.used is None or self.policy not in {None, "noeviction"}:
            return None
        return 100.0 * (self.used - (self.uncounted or 0)) / self.maxmemory


class Clients(msgspec.Struct, frozen=True):
    """Connections now, and counts since the server's start.

    Attributes:
        connected: Connections of clients.
        most: How many there may be (maxclients).
        blocked: Those that wait in a blocking command such as BLPOP.
        rejected: Connections refused since the start, for there were too many.
        evicted_keys: Keys removed since the start, for memory was full.
    """

    connected: int | None
    most: int | None
    blocked: int | None
    rejected: int | None
    evicted_keys: int | None


class Persistence(msgspec.Struct, frozen=True):
    """How saving to disk goes.

    Attributes:
        loading: Whether the data are still being read from disk.
        rdb_status: "ok" or "err": the last snapshot (rdb_last_bgsave_status).
        rdb_saved: When the last snapshot was made, or the server started; seconds since 1970.
        rdb_changes: Changes since.
        aof: Whether the append-only file is written.
        aof_write: "ok" or "err": the last write to it (aof_last_write_status).
        aof_rewrite: "ok" or "err": its last rewriting (aof_last_bgrewrite_status).
    """

    loading: bool
    rdb_status: str | None
    rdb_saved: int | None
    rdb_changes: int | None
    aof: bool
    aof_write: str | None
    aof_rewrite: str | None


class Replica(msgspec.Struct, frozen=True):
    """A replica as its primary sees it: its place, its state ("online") and its lag in s."""

    place: str
    state: str
    lag: int | None


class Replication(msgspec.Struct, frozen=True):
    """Replication.

    Attributes:
        role: "master" or "slave".
        primary: Host and port of a replica's primary, "" for a primary.
        link: "up" or "down": a replica's link to it (master_link_status).
        syncing: Whether the replica is being filled from it.
        silent: Seconds since the replica heard of it.
        down: Seconds for which the link is down.
        replicas: A primary's.
    """

    role: str
    primary: str
    link: str | None
    syncing: bool
    silent: int | None
    down: int | None
    replicas: tuple[Replica, ...]


class ServerState(msgspec.Struct, frozen=True):
    """What one server says of itself.

    Attributes:
        place: Host and port, or the socket's path.
        version: Such as "7.0.15".
        mode: "standalone", "sentinel" or "cluster".
        uptime: Seconds since its start.
        operations: Commands a second, the server's own average over the last 1.6 s.
        memory: Its memory.
        clients: Its clients.
        persistence: How it saves.
        replication: Its primary, or its replicas.
    """

    place: str
    version: str
    mode: str
    uptime: int | None
    operations: float | None
    memory: Memory
    clients: Clients
    persistence: Persistence
    replication: Replication


class SlowCommand(msgspec.Struct, frozen=True):
    """An entry of the slow log, without its arguments: they may be anybody's secrets.

    Attributes:
        place: The server's.
        command: The command's name.
        milliseconds: How long it kept the server busy.
        age: Seconds since then, by the server's clock.
    """

    place: str
    command: str
    milliseconds: float
    age: float


class Info:
    """The fields of an answer to INFO."""

    def __init__(self, fields: dict[str, str]) -> None:
        self._fields = fields

    @classmethod
    def of(cls, reply: object) -> Info:
        """Return what `reply`, bytes of lines ``name:value``, tells."""
        text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else ""
        lines = (line.partition(":") for line in text.splitlines())
        return cls({name: value for name, colon, value in lines if colon})

    def text(self, name: str) -> str | None:
        """Return a field, `None` where it is not told."""
        return self._fields.get(name) or None

    def whole(self, name: str) -> int | None:
        """Return a field that is a whole number, -1 for "never" included as `None`."""
        text = self._fields.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None

    def real(self, name: str) -> float | None:
        """Return a field that is a finite number."""
        try:
            number = float(self._fields.get(name, ""))
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    def yes(self, name: str) -> bool:
        """Return whether a field is 1."""
        return self._fields.get(name) == "1"

    def parts(self, name: str) -> dict[str, str]:
        """Return a field of the form ``a=1,b=2``."""
        pairs = (one.partition("=") for one in self._fields.get(name, "").split(","))
        return {key: value for key, equals, value in pairs if equals}


def state(session: Session) -> ServerState:
    """Return what the server says of itself, by one INFO.

    Raises:
        MeasurementUnavailable: The user may not send INFO, or the answer lacks the version.
    """
    info = Info.of(permitted(session, "INFO"))
    version = info.text("redis_version")
    if version is None:
        raise MeasurementUnavailable("the answer to INFO tells no version")
    return ServerState(
        place=session.address.place,
        version=version,
        mode=info.text("redis_mode") or "unknown",
        uptime=info.whole("uptime_in_seconds"),
        operations=info.real("instantaneous_ops_per_sec"),
        memory=_memory(info),
        clients=_clients(info),
        persistence=_persistence(info),
        replication=_replication(info),
    )


def slow_log(session: Session, seconds: float) -> tuple[SlowCommand, ...]:
    """Return the entries of the slow log of the last `seconds`, the newest first.

    Raises:
        MeasurementUnavailable: The user may not send SLOWLOG.
    """
    from redis.exceptions import ResponseError

    entries = permitted(session, "SLOWLOG", "GET", SLOWLOG_ENTRIES)
    try:
        now = float(session.ask("TIME")[0])
    except ResponseError:
        now = time.time()
    place = session.address.place
    found = (_slow(place, entry, now) for entry in entries)
    return tuple(entry for entry in found if entry.age <= seconds)


def permitted(session: Session, *words: str | int) -> Any:
    """Send a command, and return its reply.

    Raises:
        MeasurementUnavailable: Our user may not send it.
        ResponseError: redis-py's, of another error reply.
    """
    from redis.exceptions import NoPermissionError

    try:
        return session.ask(*words)
    except NoPermissionError as error:
        problem = session.explained(error)
    # Outside, so that the error has no chain.
    raise MeasurementUnavailable(problem.message, remedy=problem.remedy)


def _slow(place: str, entry: list[object], now: float) -> SlowCommand:
    _, at, micros, words = entry[:4]
    name = words[0] if isinstance(words, list) and words else b"?"
    return SlowCommand(
        place=place,
        command=name.decode("utf-8", "replace")[:40] if isinstance(name, bytes) else "?",
        milliseconds=float(str(micros)) / 1_000.0,
        age=max(0.0, now - float(str(at))),
    )


def _memory(info: Info) -> Memory:
    return Memory(
        used=info.whole("used_memory"),
        peak=info.whole("used_memory_peak"),
        rss=info.whole("used_memory_rss"),
        maxmemory=info.whole("maxmemory"),
        policy=info.text("maxmemory_policy"),
        uncounted=info.whole("mem_not_counted_for_evict"),
        fragmentation=info.real("mem_fragmentation_ratio"),
    )


def _clients(info: Info) -> Clients:
    return Clients(
        connected=info.whole("connected_clients"),
        most=info.whole("maxclients"),
        blocked=info.whole("blocked_clients"),
        rejected=info.whole("rejected_connections"),
        evicted_keys=info.whole("evicted_keys"),
    )


def _persistence(info: Info) -> Persistence:
    return Persistence(
        loading=info.yes("loading"),
        rdb_status=info.text("rdb_last_bgsave_status"),
        rdb_saved=info.whole("rdb_last_save_time"),
        rdb_changes=info.whole("rdb_changes_since_last_save"),
        aof=info.yes("aof_enabled"),
        aof_write=info.text("aof_last_write_status"),
        aof_rewrite=info.text("aof_last_bgrewrite_status"),
    )


def _replication(info: Info) -> Replication:
    host, port = info.text("master_host"), info.text("master_port")
    count = info.whole("connected_slaves") or 0
    return Replication(
        role=info.text("role") or "unknown",
        primary=f"{host}:{port}" if host else "",
        link=info.text("master_link_status"),
        syncing=info.yes("master_sync_in_progress"),
        silent=info.whole("master_last_io_seconds_ago"),
        down=info.whole("master_link_down_since_seconds"),
        replicas=tuple(_replica(info.parts(f"slave{number}")) for number in range(min(count, 100))),
    )


def _replica(parts: dict[str, str]) -> Replica:
    lag = parts.get("lag", "")
    return Replica(
        place=f"{parts.get('ip', '?')}:{parts.get('port', '?')}",
        state=parts.get("state", "unknown"),
        lag=int(lag) if lag.isascii() and lag.isdigit() else None,
    )

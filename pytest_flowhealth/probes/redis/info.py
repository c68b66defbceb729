"""Statistics of a Redis server: INFO and the slow log, both of which only read.

Fields and units are those of INFO (https://redis.io/docs/latest/commands/info/), under its own
names. A field that a release does not have is `None`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.redis.address import RedisAddress
from pytest_flowhealth.probes.redis.session import RedisConnection

SLOWLOG_ENTRIES = 128
"""Most entries of the slow log that are read; as many as Redis keeps by default."""

EXPIRING = 0.1
"""Share of the keys with a time to live from which on a volatile policy can make room."""


class MemoryInfo(msgspec.Struct, frozen=True):
    """Memory, in bytes.

    `used_memory` is the data with the server's own structures, `used_memory_rss` what the system
    has given to the process, `maxmemory` the limit (0: none).
    """

    used_memory: int | None = None
    used_memory_peak: int | None = None
    used_memory_rss: int | None = None
    maxmemory: int | None = None
    maxmemory_policy: str | None = None
    mem_not_counted_for_evict: int | None = None
    mem_fragmentation_ratio: float | None = None

    @property
    def share(self) -> float | None:
        """Percent of `maxmemory` in use; `None` without a limit."""
        if not self.maxmemory or self.used_memory is None:
            return None
        return 100.0 * (self.used_memory - (self.mem_not_counted_for_evict or 0)) / self.maxmemory


class ClientsInfo(msgspec.Struct, frozen=True):
    """Connections now, their limit (`maxclients`), and those refused since the server's start."""

    connected_clients: int | None = None
    maxclients: int | None = None
    blocked_clients: int | None = None
    rejected_connections: int | None = None


class PersistenceInfo(msgspec.Struct, frozen=True):
    """How saving to disk goes.

    A status is "ok" or "err": of the last snapshot (`rdb_last_bgsave_status`), of the last write of
    the append-only file, of its last rewriting. `loading` is 1 while the data are read at a start.
    """

    loading: int = 0
    rdb_last_bgsave_status: str | None = None
    rdb_last_save_time: int | None = None
    rdb_changes_since_last_save: int | None = None
    aof_enabled: int | None = None
    aof_last_write_status: str | None = None
    aof_last_bgrewrite_status: str | None = None


class Replica(msgspec.Struct, frozen=True):
    """A replica as its primary sees it: its place, its state ("online") and its lag in s."""

    place: str
    state: str
    lag: int | None


class ReplicationInfo(msgspec.Struct, frozen=True):
    """A replica's primary and the link to it ("up" or "down", and for how many s), or the replicas."""

    role: str = "unknown"
    master_host: str | None = None
    master_port: int | None = None
    master_link_status: str | None = None
    master_sync_in_progress: int = 0
    master_link_down_since_seconds: int | None = None
    connected_slaves: int = 0
    replicas: tuple[Replica, ...] = ()

    @property
    def primary(self) -> str:
        """Host and port of a replica's primary, "" for a primary."""
        return f"{self.master_host}:{self.master_port}" if self.master_host else ""


class KeyCounts(msgspec.Struct, frozen=True):
    """The keys of one database: how many, and how many of them have a time to live."""

    keys: int = 0
    expires: int = 0


class ServerState(msgspec.Struct, frozen=True):
    """What one server reports about itself.

    Attributes:
        place: Host and port, or the socket's path.
        cli: The command line of redis-cli that asks it, without a password.
        version: Such as "7.0.15"; of Valkey, KeyDB and Dragonfly the Redis version that they match.
        product: "Redis", "Valkey", "KeyDB" or "Dragonfly", with its own version.
        mode: "standalone", "sentinel" or "cluster".
        clustered: Whether it is a node of a cluster that redirects clients (cluster_enabled).
        evicted: Keys that were evicted since the server's start.
        memory: Its memory.
        clients: Its clients.
        persistence: How it saves.
        replication: Its primary, or its replicas.
        databases: Its databases that have keys, by number.
    """

    place: str
    cli: str
    version: str
    product: str
    mode: str
    clustered: bool
    evicted: int | None
    memory: MemoryInfo
    clients: ClientsInfo
    persistence: PersistenceInfo
    replication: ReplicationInfo
    databases: dict[int, KeyCounts]

    @property
    def release(self) -> tuple[int, ...]:
        """Major and minor number of the version."""
        return tuple(int(part) for part in self.version.split(".")[:2] if part.isdigit())

    @property
    def can_evict(self) -> bool:
        """Whether it can make room at its memory limit, or has none.

        The volatile policies evict only keys with a time to live: where few keys have one, they
        free next to nothing.
        """
        policy = self.memory.maxmemory_policy or "noeviction"
        if self.memory.share is None or policy.startswith("allkeys"):
            return True
        keys = sum(count.keys for count in self.databases.values())
        expiring = sum(count.expires for count in self.databases.values())
        return policy.startswith("volatile") and expiring > EXPIRING * keys


class SlowCommand(msgspec.Struct, frozen=True):
    """An entry of the slow log, without its arguments, which may be secrets.

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


def read_state(session: RedisConnection) -> ServerState:
    """Return what the server reports about itself, by one INFO.

    Raises:
        MeasurementUnavailable: INFO is not available, or its answer lacks the version.
    """
    info = session.query("INFO")
    if not isinstance(info, dict) or "redis_version" not in info:
        raise MeasurementUnavailable("the answer to INFO tells no version")
    return make_state(info, session.address)


def make_state(info: Mapping[str, Any], address: RedisAddress) -> ServerState:
    """Return the state that an answer to INFO, as redis-py parses it, describes."""
    replication = _convert(info, ReplicationInfo)
    listed = (
        info.get(f"slave{number}") for number in range(min(100, replication.connected_slaves))
    )
    replicas = tuple(_replica(replica) for replica in listed if isinstance(replica, dict))
    databases = {
        int(name[2:]): _convert(value, KeyCounts)
        for name, value in info.items()
        if name.startswith("db") and name[2:].isdigit() and isinstance(value, dict)
    }
    return ServerState(
        place=address.place,
        cli=address.cli,
        version=str(info.get("redis_version")),
        product=_product(info),
        mode=str(info.get("redis_mode", info.get("server_mode", "unknown"))),
        clustered=info.get("cluster_enabled") == 1,
        evicted=_convert(info, _Stats).evicted_keys,
        memory=_convert(info, MemoryInfo),
        clients=_convert(info, ClientsInfo),
        persistence=_convert(info, PersistenceInfo),
        replication=msgspec.structs.replace(replication, replicas=replicas),
        databases=databases,
    )


def read_slow_commands(session: RedisConnection, seconds: float) -> tuple[SlowCommand, ...]:
    """Return the entries of the slow log of the last `seconds`, the newest first.

    Raises:
        MeasurementUnavailable: SLOWLOG is not available.
    """
    entries = session.query("SLOWLOG", "GET", SLOWLOG_ENTRIES)
    try:
        now = float(session.query("TIME")[0])
    except MeasurementUnavailable:
        now = time.time()
    found = (
        SlowCommand(
            place=session.address.place,
            command=bytes(entry["command"]).split(b" ")[0].decode("utf-8", "replace")[:40],
            milliseconds=entry["duration"] / 1_000.0,
            age=max(0.0, now - entry["start_time"]),
        )
        for entry in entries
    )
    return tuple(entry for entry in found if entry.age <= seconds)


class _Stats(msgspec.Struct, frozen=True):
    evicted_keys: int | None = None


def _convert(info: Mapping[str, Any], kind: type[Any]) -> Any:
    """Return the fields of `kind` that `info` has; one of another type is left out."""
    fields = {}
    for field in msgspec.structs.fields(kind):
        if field.name in info:
            try:
                fields[field.name] = msgspec.convert(info[field.name], field.type, strict=False)
            except msgspec.ValidationError:
                continue
    return kind(**fields)


def _product(info: Mapping[str, Any]) -> str:
    for name in ("valkey", "dragonfly", "keydb"):
        version = info.get(f"{name}_version") or (info.get("server_name") == name and "")
        if version or version == "":
            return f"{'KeyDB' if name == 'keydb' else name.title()} {version}".strip()
    return f"Redis {info.get('redis_version')}"


def _replica(parts: Mapping[str, Any]) -> Replica:
    lag = parts.get("lag")
    return Replica(
        place=f"{parts.get('ip', '?')}:{parts.get('port', '?')}",
        state=str(parts.get("state", "unknown")),
        lag=lag if isinstance(lag, int) else None,
    )

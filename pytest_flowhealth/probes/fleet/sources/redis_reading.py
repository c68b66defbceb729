"""Read a Redis that others write: bounded in keys, in bytes and in time, and without writing.

Sent are TYPE, EXISTS, GETRANGE, HEXISTS, HSTRLEN, HMGET, LLEN, LINDEX, LRANGE, SCARD, SSCAN, ZCARD, ZCOUNT,
ZRANGE, ZRANGEBYSCORE, ZREVRANGE, ZREVRANGEBYSCORE, ZSCORE, XREVRANGE, SCAN, CLIENT LIST and PSUBSCRIBE, nothing else:
never KEYS, and nothing that writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_flowhealth.errors import (
    CheckFailed,
    FlowHealthError,
    MeasurementUnavailable,
    NotApplicable,
)
from pytest_flowhealth.probes.fleet.parsing import decode_text
from pytest_flowhealth.probes.redis.address import DEFAULT_URL, RedisAddress, parse_address
from pytest_flowhealth.probes.redis.application import find_address, parse_application_url
from pytest_flowhealth.probes.redis.errors import error_code, is_refused
from pytest_flowhealth.probes.redis.session import ConnectionFactory, RedisConnection
from pytest_flowhealth.probes.redis.topology import Node, resolve

if TYPE_CHECKING:
    from pytest_flowhealth.config.target import Target

Result = TypeVar("Result")
Command = tuple[str | bytes | int, ...]

LARGEST = 2**20
"""Bytes of a record that are read."""

LARGEST_OF_ALL = 32 * 2**20
"""Bytes of records that are read together."""

LARGEST_FIELD = 4_096
"""Bytes of a hash's field that are read."""

SCANNED = 100_000
"""Keys that a scan goes over at the most."""

_STEP = 1_000
_BATCH = 200
_FEW = 20


class RecordTooLarge(Exception):
    """A record has more than `LARGEST` bytes."""


def find_records_address(target: Target) -> RedisAddress:
    """Return the Redis that holds the records: `fleet.url`, else the target's own.

    Raises:
        CheckFailed: The URL can't be read, or is none of a Redis.
        MeasurementUnavailable: None is configured, and package.json can't be read.
    """
    url = target.config.fleet.url
    if url is None:
        try:
            return find_address(target)
        except NotApplicable:
            return parse_address(DEFAULT_URL, "the usual address")
    origin = f"fleet.url from {target.sources.get('fleet.url', 'the configuration')}"
    return parse_application_url(url, origin, target)


class Records:
    """The records behind one address.

    Args:
        address: Of a server, of Sentinels or of a cluster.
        timeout: Seconds that an answer may take.
        longest: Seconds that one reading may take.
    """

    def __init__(
        self, address: RedisAddress, *, timeout: float = 5.0, longest: float = 20.0
    ) -> None:
        self.address = address
        self.timeout = timeout
        self.longest = longest

    def ask(self, work: Callable[[RedisConnection], Result], *, key: str) -> Result:
        """Do `work` on a fresh connection to the server that holds `key`.

        Raises:
            CheckFailed: There is no connection, or it broke off.
            MeasurementUnavailable: Our user may not send a command that is needed.
        """
        node = self._node(key)
        dialer = ConnectionFactory(node.address, self.timeout)
        return dialer.ask(work, longest=self.longest).result

    def ask_optional(self, work: Callable[[RedisConnection], Result], *, key: str) -> Result:
        """Do `work`, whose command may not be available.

        Raises:
            MeasurementUnavailable: The command is refused, or the server closes the connection at it.
            CheckFailed: There is no connection.
        """
        factory = ConnectionFactory(self._node(key).address, self.timeout)
        greet: Callable[[RedisConnection], object] = lambda session: session.ask("EXISTS", key)  # noqa: E731
        return factory.ask_optional(work, greetings=(greet,)).result

    def _node(self, key: str) -> Node:
        nodes = resolve(self.address, self.timeout, time.perf_counter)
        if len(nodes) == 1 or nodes[0].slots is None:
            return nodes[0]
        from redis.crc import key_slot

        slot = key_slot(key.encode())
        held = (node for node in nodes if any(a <= slot <= b for a, b in node.slots or ()))
        found = next(held, None)
        if found is None:
            raise CheckFailed(f"no node of the cluster holds the keys of {key}")
        return found


def send_all(session: RedisConnection, commands: Iterable[Command]) -> Iterator[Any]:
    """Yield the replies of commands that are sent in pipelines; an error reply is yielded as such.

    Raises:
        MeasurementUnavailable: Our user may not send one of them.
    """
    batch: list[Command] = []
    for command in commands:
        batch.append(command)
        if len(batch) == _BATCH:
            yield from _batch(session, batch)
            batch = []
    if batch:
        yield from _batch(session, batch)


def send(session: RedisConnection, *command: str | bytes | int) -> Any:
    """Send one command; return its reply, an error reply as such, as `many` does."""
    return next(iter(_batch(session, [command])))


def read_texts(session: RedisConnection, keys: Sequence[str]) -> Iterator[bytes | Exception | None]:
    """Yield the string at each key: None where there is none, TooLarge, or the error reply."""
    size = 0
    for begin in range(0, len(keys), _FEW):
        some = keys[begin : begin + _FEW]
        if size > LARGEST_OF_ALL:
            yield from [RecordTooLarge(f"more than {LARGEST_OF_ALL:,} B together")] * len(some)
            continue
        for reply in send_all(session, (("GETRANGE", key, 0, LARGEST) for key in some)):
            size += len(reply) if isinstance(reply, bytes) else 0
            large = isinstance(reply, bytes) and len(reply) > LARGEST
            yield RecordTooLarge(f"larger than {LARGEST:,} B") if large else reply or None


def read_hashes(
    session: RedisConnection, keys: Sequence[str], fields: Sequence[str]
) -> list[dict[str, bytes]]:
    """Return the fields of each hash that are there and not larger than `LARGEST_FIELD`.

    What is no hash gives {}.
    """
    sizes = iter([*send_all(session, (("HSTRLEN", key, name) for key in keys for name in fields))])
    usable = [
        [name for name, size in ((name, next(sizes)) for name in fields) if _fits(size)]
        for _ in keys
    ]
    wanted = [(key, names) for key, names in zip(keys, usable, strict=True) if names]
    replies = send_all(session, (("HMGET", key, *names) for key, names in wanted))
    found = {
        key: {name: value for name, value in zip(names, reply, strict=True) if value is not None}
        for (key, names), reply in zip(wanted, replies, strict=True)
        if isinstance(reply, list)
    }
    return [found.get(key, {}) for key in keys]


def read_members(session: RedisConnection, key: str, most: int) -> tuple[list[bytes], bool]:
    """Return up to `most` members of a set, and whether these are all."""
    found: dict[bytes, None] = {}
    cursor: object = b"0"
    while True:
        reply = send(session, "SSCAN", key, _cursor(cursor), "COUNT", _STEP)
        if isinstance(reply, Exception):
            return [], True
        cursor, some = reply
        found.update(dict.fromkeys(some))
        if len(found) > most:
            return [*found][:most], False
        if cursor == b"0":
            return [*found], True


def scan_keys(session: RedisConnection, pattern: str, most: int) -> tuple[list[bytes], bool]:
    """Return up to `most` keys that match, and whether the whole database was gone over."""
    found: dict[bytes, None] = {}
    cursor: object = b"0"
    for _ in range(SCANNED // _STEP):
        reply = send(session, "SCAN", _cursor(cursor), "MATCH", pattern, "COUNT", _STEP)
        if isinstance(reply, Exception):
            raise reply
        cursor, some = reply
        found.update(dict.fromkeys(some))
        if len(found) > most:
            return [*found][:most], False
        if cursor == b"0":
            return [*found], True
    return [*found], False


def list_queues(session: RedisConnection, prefix: str, marker: str) -> list[str]:
    """Return the names of the queues with a key ``PREFIX:QUEUE:MARKER``."""
    keys, _ = scan_keys(session, f"{prefix}:*:{marker}", 100)
    begin, end = len(prefix) + 1, -len(marker) - 1
    return sorted(decode_text(key)[begin:end] for key in keys)


def _cursor(cursor: object) -> bytes:
    return cursor if isinstance(cursor, bytes) else b"0"


def _fits(size: object) -> bool:
    return isinstance(size, int) and 0 < size <= LARGEST_FIELD


def _batch(session: RedisConnection, commands: Sequence[Command]) -> list[Any]:
    connection = session.connection
    session.command = str(commands[0][0])
    connection.send_packed_command(connection.pack_commands(commands))
    replies = [_reply(connection) for _ in commands]
    for reply in replies:
        if isinstance(reply, Exception) and error_code(reply) != "WRONGTYPE":
            raise _explain_refusal(session, reply)
    return replies


def _reply(connection: Any) -> Any:
    from redis.exceptions import ResponseError

    try:
        return connection.read_response()
    except ResponseError as error:
        return error


def _explain_refusal(session: RedisConnection, error: Exception) -> FlowHealthError:
    problem = session.explain_error(error)
    if is_refused(error):
        return MeasurementUnavailable(
            problem.message, remedy=problem.remedy, diagnosis=problem.diagnosis
        )
    return problem

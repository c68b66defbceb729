"""A Redis as a client of it finds it: one server, the primary behind Sentinels, or a cluster.

Everything is asked over connections of our own, each bounded in time as a
whole, by redis-py. The only keys written are ours, with a time to live; KEYS,
SCAN, FLUSH and CONFIG are never sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

import msgspec

from pytest_flowhealth.domain.units import parse_duration
from pytest_flowhealth.errors import CheckFailed, FlowHealthError, NotApplicable
from pytest_flowhealth.probes.redis import info, load, topology
from pytest_flowhealth.probes.redis.address import (
    DEFAULT_URL,
    RedisAddress,
    find_address,
    parse_address,
)
from pytest_flowhealth.probes.redis.errors import code_of, only_refuses_ping
from pytest_flowhealth.probes.redis.info import ServerState, SlowCommand
from pytest_flowhealth.probes.redis.key import WRITES, Key, expected, random_name
from pytest_flowhealth.probes.redis.load import Latency, LoadLimit, Throughput
from pytest_flowhealth.probes.redis.session import ConnectionFactory, Session
from pytest_flowhealth.probes.redis.topology import Node, NodeView

Result = TypeVar("Result")

if TYPE_CHECKING:
    from pytest_flowhealth.config.target import Target

MAX_TIMEOUT = 60.0
"""Longest `redis.timeout` that is used, in seconds."""


class RoundTrip(msgspec.Struct, frozen=True):
    """What of SET, GET and DEL our user may not send, with the server's words; {} for all done."""

    refused: dict[str, str]


class RedisProbe:
    """Measures one Redis, which may be several servers (Sentinels, a cluster).

    ::

        probe = RedisProbe("redis://localhost:6379/0")
        latency = probe.command_latency(samples=1_000)  # a sequence of ms

    Args:
        address: A URL, or a parsed address.
        timeout: Seconds that each answer may take.
        prefix: First part of the name of every key that is written.
        writes: Whether anything is written; False for a replica.
        clock: Monotonic clock, in seconds.

    Raises:
        CheckFailed: The URL is not a Redis address.
    """

    def __init__(
        self,
        address: RedisAddress | str,
        *,
        timeout: float = 5.0,
        prefix: str = "flowhealth:",
        writes: bool = True,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._address: RedisAddress | FlowHealthError = (
            parse_address(address) if isinstance(address, str) else address
        )
        self.timeout = timeout
        self.prefix = prefix
        self.writes = writes
        self.clock = clock

    @classmethod
    def from_target(cls, target: Target) -> RedisProbe:
        """Return a probe of the Redis that a target uses, with its timeout and its prefix.

        An address that is not understood is reported by the first method that needs it, so that
        it fails the check and not its set-up.

        Raises:
            NotApplicable: The target uses no Redis.
        """
        settings = target.config.redis
        found: RedisAddress | FlowHealthError
        try:
            found = find_address(target)
        except NotApplicable:
            raise
        except FlowHealthError as error:
            found = error
        probe = cls(
            parse_address(DEFAULT_URL),
            timeout=min(MAX_TIMEOUT, parse_duration(settings.timeout)),
            prefix=settings.prefix,
            writes=not settings.replica,
        )
        probe._address = found  # its own class
        return probe

    def __repr__(self) -> str:
        return f"RedisProbe({getattr(self._address, 'shown', None)!r}, timeout={self.timeout})"

    @property
    def address(self) -> RedisAddress:
        """The address, with its origin.

        Raises:
            CheckFailed: The target's address is not a Redis address.
            MeasurementUnavailable: It is not known whether the target uses a Redis.
        """
        if isinstance(self._address, FlowHealthError):
            raise self._address.with_traceback(None)
        return self._address

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The servers that the address stands for.

        Raises:
            CheckFailed: No Sentinel or cluster node answers.
            MeasurementUnavailable: The user may not ask them.
        """
        return topology.resolve(self.address, self.timeout, self.clock)

    def connect_latency(
        self, samples: int = load.CONNECTIONS, *, seconds: float = 1.0
    ) -> tuple[float, ...]:
        """Return how long new connections take until their first answer, in ms.

        Each sample is a new connection with its TLS, its login and SELECT where the URL has them,
        and a PING. Several servers take turns.

        Args:
            samples: Number of connections.
            seconds: End after so many seconds if there are 20 samples, in any case after ten
                seconds (or `seconds`, if longer).

        Raises:
            CheckFailed: A connection failed; the message says why.
        """
        factories = self._factories()
        limit = _limit(samples, seconds)
        found: list[float] = []
        begin = self.clock()
        while not limit.spent(len(found), self.clock() - begin):
            factory = factories[len(found) % len(factories)]
            found.append(1_000.0 * factory.ask(_greet).seconds)
        return tuple(found)

    def ping(self) -> None:
        """Send PING, to each server.

        Raises:
            CheckFailed: The answer is not PONG, or none.
            MeasurementUnavailable: Our user may not send PING.
        """
        for factory in self._factories():
            factory.ask(_ping)

    def roundtrip(self) -> RoundTrip:
        """Write, read and delete one key of our own on each server, and see that it is gone.

        The key is `prefix` + "check:" + a random id, and is written with its
        time to live in one command, so that nothing of ours outlives that.

        Returns:
            What our user may not send.

        Raises:
            CheckFailed: A command failed, or what was read is not what was written.
        """
        refused: dict[str, str] = {}
        for node in self.nodes:
            work = partial(_roundtrip, key=self._key(node))
            refused |= self._factory(node).ask(work).result
        return RoundTrip(refused)

    def command_latency(
        self, samples: int = load.COMMANDS_IN_TURN, *, seconds: float = 1.0
    ) -> Latency:
        """Return how long PING, SET, GET and DEL take, one at a time, on an open connection.

        Args:
            samples: Number of commands.
            seconds: End after so many seconds if there are 20 samples, in any case after ten
                seconds (or `seconds`, if longer).

        Returns:
            A sequence of ms, in order; its attributes have the samples of each command.

        Raises:
            CheckFailed: There is no connection, or it broke off.
            MeasurementUnavailable: Our user may send none of them.
        """
        return load.together(self._loads(load.latency, _limit(samples, seconds)))

    def throughput(self, commands: int = load.PIPELINED, *, seconds: float = 0.25) -> Throughput:
        """Return how many pipelined commands one connection gets through.

        Args:
            commands: Number of commands, in pipelines of 1,000.
            seconds: End after so many seconds if there are 1,000 commands, in any case after ten
                seconds (or `seconds`, if longer).

        Raises:
            CheckFailed: There is no connection, or it broke off.
            MeasurementUnavailable: Our user may send none of SET, GET and PING.
        """
        return load.one_after_another(
            self._loads(load.throughput, _limit(commands, seconds, least=load.BATCH))
        )

    def server_states(self) -> tuple[ServerState, ...]:
        """Return what each server says of itself.

        Raises:
            CheckFailed: There is no connection, or no answer.
            MeasurementUnavailable: Our user may not send INFO, or the answer lacks the version.
        """
        return tuple(factory.ask(info.state).result for factory in self._factories())

    def slow_commands(self, seconds: float) -> tuple[SlowCommand, ...]:
        """Return the slow commands of the last `seconds` of all servers.

        Raises:
            CheckFailed: There is no connection, or no answer.
            MeasurementUnavailable: Our user may not send SLOWLOG.
        """
        found: list[SlowCommand] = []
        for factory in self._factories():
            found += factory.ask(partial(info.slow_log, seconds=seconds)).result
        return tuple(found)

    def topology_views(self) -> tuple[NodeView, ...]:
        """Return what each Sentinel, or each named node of a cluster, says of the whole."""
        return topology.looked(self.address, self.timeout, self.clock)

    def _factory(self, node: Node) -> ConnectionFactory:
        return ConnectionFactory(node.address, self.timeout, self.clock)

    def _factories(self) -> list[ConnectionFactory]:
        return [self._factory(node) for node in self.nodes]

    def _key(self, node: Node) -> Key:
        refused = {} if self.writes else dict.fromkeys(WRITES, "nothing is written to a replica")
        return Key(lambda: node.name(lambda: random_name(self.prefix)), refused)

    def _loads(self, work: Callable[..., Result], budget: LoadLimit) -> list[Result]:
        part = budget.share(len(self.nodes))
        longest = part.longest + self.timeout
        return [
            self._factory(node)
            .ask(partial(work, key=self._key(node), budget=part), longest=longest, watched=True)
            .result
            for node in self.nodes
        ]


def _limit(count: int, seconds: float, *, least: int = 20) -> LoadLimit:
    return LoadLimit(count, seconds, min(least, count), max(10.0, seconds))


def _greet(session: Session) -> None:
    """Get a first answer; one that only refuses PING itself is an answer too."""
    from redis.exceptions import ResponseError

    try:
        expected("PING", session.ask("PING"), (b"PONG",))
    except ResponseError as error:
        if not only_refuses_ping(error):
            raise


def _ping(session: Session) -> None:
    expected("PING", info.permitted(session, "PING"), (b"PONG",))


def _roundtrip(session: Session, key: Key) -> dict[str, str]:
    """Return the commands that our user may not send, with the server's words."""
    from redis.exceptions import ResponseError

    replies: dict[str, object] = {}
    refusals: dict[str, Exception] = {}
    # An error is raised after all three, so that the key goes in any case.
    for command in ("SET", "GET", "DEL"):
        try:
            replies[command] = key.ask(session, command)
        except ResponseError as error:
            refusals[command] = error
            if command == "SET":
                break
    refused = _refused(session, refusals)
    _as_written(session, key, replies)
    return refused


def _refused(session: Session, refusals: dict[str, Exception]) -> dict[str, str]:
    """Return what was refused for want of rights; raise any other refusal."""
    for command, error in refusals.items():
        session.command = command
        if code_of(error) != "NOPERM":
            raise error
    return {command: str(session.explained(error)) for command, error in refusals.items()}


def _as_written(session: Session, key: Key, replies: dict[str, object]) -> None:
    if replies.get("SET", b"OK") != b"OK":
        raise CheckFailed(f"Redis answered SET with {replies['SET']!r:.80}")
    if "GET" in replies and replies["GET"] != key.value:
        found = "nothing" if replies["GET"] is None else f"{replies['GET']!r:.80}"
        raise CheckFailed(
            f"Redis took {key.name}, and gave {found} back where {key.value!r} was written"
        )
    if "DEL" not in replies:
        return
    if replies["DEL"] != 1 or ("GET" in replies and key.ask(session, "GET") is not None):
        raise CheckFailed(f"Redis did not delete {key.name}: DEL answered {replies['DEL']!r:.80}")

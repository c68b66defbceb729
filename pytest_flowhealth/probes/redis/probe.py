"""Measure a Redis as one of its clients: one server, the primary behind Sentinels, or a cluster.

Every question has a connection of its own, by redis-py, with one time limit for the whole. The only
keys written are the probe's own, with a time to live; KEYS, SCAN, FLUSH and CONFIG are never sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

import msgspec

from pytest_flowhealth.errors import CheckFailed, FlowHealthError, NotApplicable
from pytest_flowhealth.probes.redis import info, load, topology
from pytest_flowhealth.probes.redis.address import DEFAULT_URL, RedisAddress, parse_address
from pytest_flowhealth.probes.redis.application import find_address
from pytest_flowhealth.probes.redis.connection_errors import ConnectionEnded
from pytest_flowhealth.probes.redis.errors import (
    is_connected_nonetheless,
    is_end,
    is_refused,
)
from pytest_flowhealth.probes.redis.info import ServerState, SlowCommand
from pytest_flowhealth.probes.redis.key import WRITES, OwnKey, check_reply, random_name
from pytest_flowhealth.probes.redis.load import Latency, LoadLimit, Throughput
from pytest_flowhealth.probes.redis.packages import find_queue_library
from pytest_flowhealth.probes.redis.session import ConnectionFactory, RedisConnection
from pytest_flowhealth.probes.redis.topology import Node, NodeView

Result = TypeVar("Result")

if TYPE_CHECKING:
    from pytest_flowhealth.config.target import Target

MAX_TIMEOUT = 60.0
"""Longest `redis.timeout` that is used, in seconds."""


class RoundTrip(msgspec.Struct, frozen=True):
    """Those of SET, GET and DEL that are not available, with the server's words; {} if all are."""

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

    Attributes:
        queue_library: The queue library of the target (bullmq, bull, bee-queue), if it has one.

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
        self.queue_library: str | None = None

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
            timeout=min(MAX_TIMEOUT, settings.timeout),
            prefix=settings.prefix,
            writes=not settings.replica,
        )
        probe._address = found
        probe.queue_library = find_queue_library(target)
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
        greetings = iter(self._greetings)
        greet = next(greetings)
        found: list[float] = []
        begin = self.clock()
        while not limit.spent(len(found), self.clock() - begin):
            factory = factories[len(found) % len(factories)]
            try:
                found.append(1_000.0 * factory.ask(greet).seconds)
            except ConnectionEnded as error:
                # A proxy may close the connection at PING; it is there if it answers GET.
                following = None if found else next(greetings, None)
                if following is None:
                    raise error.with_traceback(None) from None
                greet = following
        return tuple(found)

    def ping(self) -> None:
        """Send PING, to each server.

        Raises:
            CheckFailed: The answer is not PONG, or none.
            MeasurementUnavailable: Our user may not send PING.
        """
        for factory in self._factories():
            factory.ask_optional(_ping, greetings=self._greetings)

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
        return load.join_latencies(self._loads(load.latency, _limit(samples, seconds)))

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
        return load.join_throughputs(
            self._loads(load.throughput, _limit(commands, seconds, least=load.BATCH))
        )

    def server_states(self) -> tuple[ServerState, ...]:
        """Return what each server says of itself.

        Raises:
            CheckFailed: There is no connection, or no answer.
            MeasurementUnavailable: Our user may not send INFO, or the answer lacks the version.
        """
        return tuple(
            factory.ask_optional(info.read_state, greetings=self._greetings).result
            for factory in self._factories()
        )

    def slow_commands(self, seconds: float) -> tuple[SlowCommand, ...]:
        """Return the slow commands of the last `seconds` of all servers.

        Raises:
            CheckFailed: There is no connection, or no answer.
            MeasurementUnavailable: Our user may not send SLOWLOG.
        """
        found: list[SlowCommand] = []
        for factory in self._factories():
            work = partial(info.read_slow_commands, seconds=seconds)
            found += factory.ask_optional(work, greetings=self._greetings).result
        return tuple(found)

    def topology_views(self) -> tuple[NodeView, ...]:
        """Return what each Sentinel, or each named node of a cluster, says of the whole."""
        return topology.view_nodes(self.address, self.timeout, self.clock)

    def _say_get(self, session: RedisConnection) -> None:
        """Get a first answer where PING is not available."""
        session.query("GET", f"{self.prefix}check:none")

    @property
    def _greetings(self) -> tuple[Callable[[RedisConnection], None], ...]:
        return _say_ping, self._say_get

    def _factory(self, node: Node) -> ConnectionFactory:
        return ConnectionFactory(node.address, self.timeout, self.clock)

    def _factories(self) -> list[ConnectionFactory]:
        return [self._factory(node) for node in self.nodes]

    def _key(self, node: Node) -> OwnKey:
        refused = {} if self.writes else dict.fromkeys(WRITES, "nothing is written to a replica")
        return OwnKey(lambda: node.name(lambda: random_name(self.prefix)), refused)

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


def _say_ping(session: RedisConnection) -> None:
    """Get a first answer; one that refuses only PING is an answer too."""
    from redis.exceptions import ResponseError

    try:
        check_reply("PING", session.ask("PING"), (b"PONG",))
    except ResponseError as error:
        if not is_connected_nonetheless(error):
            raise


def _ping(session: RedisConnection) -> None:
    check_reply("PING", session.query("PING"), (True,))


def _roundtrip(session: RedisConnection, key: OwnKey) -> dict[str, str]:
    """Return the commands that are not available, with the server's words."""
    from redis.exceptions import RedisError

    replies: dict[str, object] = {}
    refused: dict[str, str] = {}
    failures: list[FlowHealthError] = []
    # An error is raised after all three, so that the key is deleted in any case.
    for command in ("SET", "GET", "DEL"):
        try:
            replies[command] = key.ask(session, command)
        except (RedisError, OSError) as error:
            if is_end(error):
                refused[command] = f"the server closes the connection at {command}"
                session.reconnect()
            elif is_refused(error):
                refused[command] = str(session.explain_error(error))
            else:
                failures.append(session.explain_error(error))
        if command not in replies and command == "SET":
            break
    if failures:
        raise failures[0]
    _as_written(session, key, replies)
    return refused


def _as_written(session: RedisConnection, key: OwnKey, replies: dict[str, object]) -> None:
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

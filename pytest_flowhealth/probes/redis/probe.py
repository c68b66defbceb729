"""A Redis as a client of it finds it: one server, the primary behind Sentinels, or a cluster.

Everything is asked over connections of our own, each bounded in time as a
whole, by redis-py. The only keys written are ours, with a time to live; KEYS,
SCAN, FLUSH and CONFIG are never sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property, partial
from typing import TypeVar

import msgspec

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.redis import info, load, topology
from pytest_flowhealth.probes.redis.address import Address, parse
from pytest_flowhealth.probes.redis.errors import code_of, only_refuses_ping
from pytest_flowhealth.probes.redis.info import Slow, State
from pytest_flowhealth.probes.redis.key import WRITES, Key, expected, random_name
from pytest_flowhealth.probes.redis.load import Budget, Latency, Throughput
from pytest_flowhealth.probes.redis.session import Dialer, Session
from pytest_flowhealth.probes.redis.topology import Node, Seen

Result = TypeVar("Result")

__all__ = ["Latency", "RedisProbe", "Roundtrip", "Seen", "Slow", "State", "Throughput"]


class Roundtrip(msgspec.Struct, frozen=True):
    """What of SET, GET and DEL our user may not send, with the server's words; {} for all done."""

    refused: dict[str, str]


class RedisProbe:
    """Asks one Redis, which may be several servers.

    Args:
        address: Its URL, or the parsed one.
        timeout: Seconds that each answer may take.
        prefix: What our keys begin with.
        writes: Whether anything is written; off for a replica.
        clock: Seconds that only go up.

    Raises:
        CheckFailed: The URL can't be read.
    """

    def __init__(
        self,
        address: Address | str,
        *,
        timeout: float = 5.0,
        prefix: str = "flowhealth:",
        writes: bool = True,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.address = parse(address) if isinstance(address, str) else address
        self.timeout = timeout
        self.prefix = prefix
        self.writes = writes
        self.clock = clock

    def __repr__(self) -> str:
        return f"RedisProbe({self.address.shown!r}, timeout={self.timeout})"

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The servers that the address stands for.

        Raises:
            CheckFailed: Sentinels or cluster nodes don't tell.
            MeasurementUnavailable: Our user may not ask them.
        """
        return topology.resolve(self.address, self.timeout, self.clock)

    def connect(self, budget: Budget = load.CONNECT) -> tuple[float, ...]:
        """Return how long fresh connections took to their first answer, in ms.

        Each sample is a new connection with its TLS, its log-in and SELECT where
        the URL asks for them, and a PING. Of several servers, each in turn.

        Raises:
            CheckFailed: There is no connection, at any time; the message says why.
        """
        dialers = self._dialers()
        samples: list[float] = []
        begin = self.clock()
        while not budget.spent(len(samples), self.clock() - begin):
            dialer = dialers[len(samples) % len(dialers)]
            samples.append(1_000.0 * dialer.ask(_greet).seconds)
        return tuple(samples)

    def ping(self) -> None:
        """Send PING, to each server.

        Raises:
            CheckFailed: The answer is not PONG, or none.
            MeasurementUnavailable: Our user may not send PING.
        """
        for dialer in self._dialers():
            dialer.ask(_ping)

    def roundtrip(self) -> Roundtrip:
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
            refused |= self._dialer(node).ask(work).result
        return Roundtrip(refused)

    def command_latency(self, budget: Budget = load.COMMAND) -> Latency:
        """Return how long PING, SET, GET and DEL take, one at a time.

        Raises:
            CheckFailed: There is no connection, or it broke off.
            MeasurementUnavailable: Our user may send none of them.
        """
        return load.together(self._loads(load.latency, budget))

    def throughput(self, budget: Budget = load.THROUGHPUT) -> Throughput:
        """Return how many pipelined commands one connection gets through.

        Raises:
            CheckFailed: There is no connection, or it broke off.
            MeasurementUnavailable: Our user may send none of SET, GET and PING.
        """
        return load.one_after_another(self._loads(load.throughput, budget))

    def state(self) -> tuple[State, ...]:
        """Return what each server says of itself.

        Raises:
            CheckFailed: There is no connection, or no answer.
            MeasurementUnavailable: Our user may not send INFO, or the answer lacks the version.
        """
        return tuple(dialer.ask(info.state).result for dialer in self._dialers())

    def slow_log(self, seconds: float) -> tuple[Slow, ...]:
        """Return the slow commands of the last `seconds` of all servers.

        Raises:
            CheckFailed: There is no connection, or no answer.
            MeasurementUnavailable: Our user may not send SLOWLOG.
        """
        found: list[Slow] = []
        for dialer in self._dialers():
            found += dialer.ask(partial(info.slow_log, seconds=seconds)).result
        return tuple(found)

    def seen(self) -> tuple[Seen, ...]:
        """Return what each Sentinel, or each named node of a cluster, says of the whole."""
        return topology.looked(self.address, self.timeout, self.clock)

    def _dialer(self, node: Node) -> Dialer:
        return Dialer(node.address, self.timeout, self.clock)

    def _dialers(self) -> list[Dialer]:
        return [self._dialer(node) for node in self.nodes]

    def _key(self, node: Node) -> Key:
        refused = {} if self.writes else dict.fromkeys(WRITES, "nothing is written to a replica")
        return Key(lambda: node.name(lambda: random_name(self.prefix)), refused)

    def _loads(self, work: Callable[..., Result], budget: Budget) -> list[Result]:
        part = budget.share(len(self.nodes))
        longest = part.longest + self.timeout
        return [
            self._dialer(node)
            .ask(partial(work, key=self._key(node), budget=part), longest=longest, watched=True)
            .result
            for node in self.nodes
        ]


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

"""Measure how quickly a Redis server answers, with a load that is bounded in number, bytes and time.

Only a key of the probe's own is used: it is written with its time to live in the same command, and
deleted at the end. A command that the server refuses (rights, a read-only replica, full memory) is
left out and reported.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from pytest_flowhealth.probes.redis.key import COMMANDS, OwnKey, check_reply
from pytest_flowhealth.probes.redis.session import RedisConnection, Stopwatch

BATCH = 1_000
"""Commands in a pipeline; the first has a tenth of it."""

SETS_EVERY = 10
"""One in so many commands of a pipeline is a SET, the others are GETs."""


class LoadLimit(msgspec.Struct, frozen=True):
    """When a load ends: at whichever of these limits comes first.

    Attributes:
        count: Number of samples.
        seconds: Duration, once there are `least` samples.
        least: Number of samples before which `seconds` does not end the load.
        longest: Duration in any case, in seconds.
    """

    count: int
    seconds: float = 1.0
    least: int = 20
    longest: float = 10.0

    def spent(self, count: int, seconds: float) -> bool:
        """Tell whether `count` samples in `seconds` are the end."""
        enough = count >= self.least and seconds >= self.seconds
        return enough or count >= self.count or seconds >= self.longest

    def share(self, parts: int) -> LoadLimit:
        """Return the budget of one server among `parts`."""
        return LoadLimit(
            count=-(-self.count // parts),
            seconds=self.seconds / parts,
            least=-(-self.least // parts),
            longest=self.longest / parts,
        )


CONNECTIONS = 50
"""New connections of one measurement; p95 needs 20 samples."""

COMMANDS_IN_TURN = 2_000
"""Commands of one measurement that are sent one at a time, 500 of each."""

PIPELINED = 20_000
"""Commands of one measurement that are sent in pipelines."""


class Latency(msgspec.Struct, frozen=True):
    """How long commands took, one at a time, over an open connection: a sequence of ms.

    Attributes:
        samples: From the first byte sent to the last one received, in ms, in order. The object
            itself is a sequence of these.
        by_command: The same by the command's name.
        client: What this client took beside each sample for itself, in ms.
        refused: Commands that were left out, with the reason.
        sent: Bytes.
        received: Bytes.
    """

    samples: tuple[float, ...]
    by_command: dict[str, tuple[float, ...]]
    client: tuple[float, ...]
    refused: dict[str, str]
    sent: int
    received: int

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[float]:
        return iter(self.samples)

    def __getitem__(self, index: int) -> float:
        return self.samples[index]


class Throughput(msgspec.Struct, frozen=True):
    """What one connection got through in pipelines.

    Attributes:
        commands: Answered ones.
        seconds: They took together.
        waiting: Of these, in the system's calls: what the client did not need for itself.
        mix: The names of the commands.
        refused: Commands that were left out, with the reason.
        sent: Bytes.
        received: Bytes.
    """

    commands: int
    seconds: float
    waiting: float
    mix: tuple[str, ...]
    refused: dict[str, str]
    sent: int
    received: int


def latency(session: RedisConnection, key: OwnKey, budget: LoadLimit) -> Latency:
    """Send PING, SET, GET and DEL one at a time, in turn.

    Args:
        session: A watched one.
        key: Ours.
        budget: Of commands.

    Raises:
        MeasurementUnavailable: No command at all is allowed.
    """
    key.try_all(session)
    key.need()
    traffic = _Traffic(session.watch)
    turns = [_Turn(session, key, command) for command in key.allowed]
    order = _take_turns(session, turns, budget)
    sent, received = traffic.so_far()
    key.delete(session)
    return Latency(
        samples=tuple(took for took, _ in order),
        by_command={turn.command: tuple(turn.samples) for turn in turns},
        client=tuple(own for _, own in order),
        refused=key.refused,
        sent=sent,
        received=received,
    )


class _Turn:
    """A command as it is sent again and again."""

    def __init__(self, session: RedisConnection, key: OwnKey, command: str) -> None:
        self.command = command
        self.packed = [b"".join(session.connection.pack_command(*key.words(command)))]
        self.answers = key.answers(command)
        self.samples: list[float] = []


def _take_turns(
    session: RedisConnection, turns: Sequence[_Turn], budget: LoadLimit
) -> list[tuple[float, float]]:
    """Return for each command the ms that it took, and those that the client took beside it."""
    clock, watch, order = session.clock, session.watch, []
    # Bound once: a lookup each would be the client's cost, too.
    send, read = session.connection.send_packed_command, session.connection.read_response
    begin = clock()
    for turn in itertools.cycle(turns):
        session.command = turn.command
        started = clock()
        send(turn.packed, check_health=False)
        reply = read()
        ended = clock()
        check_reply(turn.command, reply, turn.answers)
        took = 1_000.0 * (watch.end - watch.begin)
        order.append((took, 1_000.0 * (ended - started) - took))
        turn.samples.append(took)
        session.answered += 1
        if budget.spent(session.answered, ended - begin):
            break
    return order


def throughput(session: RedisConnection, key: OwnKey, budget: LoadLimit) -> Throughput:
    """Send SETs and GETs of one key in pipelines; PINGs where neither is allowed.

    Args:
        session: A watched one.
        key: Ours.
        budget: Of commands.

    Raises:
        MeasurementUnavailable: No command at all is allowed.
    """
    key.try_all(session)
    key.need()
    mix = _mix(key.allowed)
    first, whole = (_Pipeline(session, key, mix[:size]) for size in (BATCH // 10, BATCH))
    traffic = _Traffic(session.watch)
    begin = session.clock()
    while not budget.spent(session.answered, seconds := session.clock() - begin):
        (whole if session.answered else first).send(session)
    answered, waiting = session.answered, traffic.waiting()
    sent, received = traffic.so_far()
    key.delete(session)
    return Throughput(
        commands=answered,
        seconds=seconds,
        waiting=waiting,
        mix=tuple(dict.fromkeys(mix)),
        refused=key.refused,
        sent=sent,
        received=received,
    )


def _mix(allowed: Sequence[str]) -> list[str]:
    """Return the commands of a pipeline."""
    mixed = {"SET", "GET"} & set(allowed)
    if mixed == {"SET", "GET"}:
        return ["GET" if number % SETS_EVERY else "SET" for number in range(BATCH)]
    return [mixed.pop() if mixed else allowed[0]] * BATCH


class _Pipeline:
    """Commands that are sent in one piece."""

    def __init__(self, session: RedisConnection, key: OwnKey, commands: Sequence[str]) -> None:
        packed = session.connection.pack_commands([key.words(command) for command in commands])
        self._packed = [b"".join(packed)]
        self._answers = [(command, key.answers(command)) for command in commands]

    def send(self, session: RedisConnection) -> None:
        """Send them, and read all their answers."""
        session.connection.send_packed_command(self._packed, check_health=False)
        read = session.connection.read_response
        for command, answers in self._answers:
            session.command = command
            reply = read()
            if reply not in answers:
                check_reply(command, reply, answers)
            session.answered += 1


class _Traffic:
    """What passes from now on."""

    def __init__(self, watch: Stopwatch) -> None:
        self._watch = watch
        self._inside, self._sent, self._received = watch.inside, watch.sent, watch.received

    def so_far(self) -> tuple[int, int]:
        """Return the bytes sent and received."""
        return self._watch.sent - self._sent, self._watch.received - self._received

    def waiting(self) -> float:
        """Return the seconds in the system's calls."""
        return self._watch.inside - self._inside


def join_latencies(parts: Sequence[Latency]) -> Latency:
    """Return what was measured at several servers as one."""
    names = [name for name in COMMANDS if any(name in part.by_command for part in parts)]
    return Latency(
        samples=_joined(part.samples for part in parts),
        by_command={
            name: _joined(part.by_command.get(name, ()) for part in parts) for name in names
        },
        client=_joined(part.client for part in parts),
        refused={name: why for part in parts for name, why in part.refused.items()},
        sent=sum(part.sent for part in parts),
        received=sum(part.received for part in parts),
    )


def join_throughputs(parts: Sequence[Throughput]) -> Throughput:
    """Return what was got through at several servers, one after another, as one."""
    return Throughput(
        commands=sum(part.commands for part in parts),
        seconds=sum(part.seconds for part in parts),
        waiting=sum(part.waiting for part in parts),
        mix=tuple(dict.fromkeys(name for part in parts for name in part.mix)),
        refused={name: why for part in parts for name, why in part.refused.items()},
        sent=sum(part.sent for part in parts),
        received=sum(part.received for part in parts),
    )


def _joined(parts: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(itertools.chain.from_iterable(parts))

"""One connection of our own to one Redis server, bounded in time as a whole, by redis-py."""

from __future__ import annotations

import inspect
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec

from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes.deadline import CallOutcome, within
from pytest_flowhealth.probes.redis.address import RedisAddress
from pytest_flowhealth.probes.redis.connection_errors import (
    ConnectionEnded,
    needs_client_certificate,
    needs_tls,
    no_tls,
)
from pytest_flowhealth.probes.redis.errors import NoAnswer, UnneededPassword, explain, is_refused
from pytest_flowhealth.probes.redis.tls import (
    arguments,
    connection_class,
    make_context,
    speaks_plain,
    speaks_tls,
)

Result = TypeVar("Result")
Work = Callable[["RedisConnection"], object]


class ConnectionFactory:
    """Makes sessions with one server.

    Args:
        address: Of a single server.
        timeout: Seconds that an answer may take.
        clock: Seconds that only go up.

    Raises:
        CheckFailed: The address's ssl_ options can't be used.
    """

    def __init__(
        self, address: RedisAddress, timeout: float, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.address = address
        self.timeout = timeout
        self.clock = clock
        # Made once, before any time is taken: reading all authorities takes 30 ms.
        self.tls = make_context(address)

    def ask(
        self,
        work: Callable[[RedisConnection], Result],
        *,
        seconds: float | None = None,
        longest: float | None = None,
        watched: bool = False,
    ) -> Timed[Result]:
        """Do `work` on a fresh connection.

        Args:
            work: What to send and read.
            seconds: What an answer may take, by default the timeout.
            longest: What all of it may take, by default `seconds`.
            watched: Whether the session has a stopwatch.

        Raises:
            FlowHealthError: What the connection's or the work's error means.
        """
        seconds = self.timeout if seconds is None else seconds
        # Where the whole has no time of its own, waiting for it must end first.
        patience = seconds if longest is not None else seconds + 1.0
        session = RedisConnection(self.address, patience, self.clock, self.tls, watched=watched)
        outcome = session.within(seconds if longest is None else longest, work)
        try:
            return session.take_result(outcome, seconds)
        except CheckFailed as error:
            problem = self._by_protocol(session, error)
        if isinstance(problem, UnneededPassword) and self.address.forgiving:
            # ioredis warns of it and goes on.
            self.address = msgspec.structs.replace(self.address, password=None, username=None)
            return self.ask(work, seconds=seconds, longest=longest, watched=watched)
        raise problem

    def ask_optional(
        self, work: Callable[[RedisConnection], Result], *, greetings: Sequence[Work]
    ) -> Timed[Result]:
        """Do `work`, whose command the server may answer by closing the connection.

        Args:
            work: What to send and read.
            greetings: Other commands; a server that is there answers one of them.

        Raises:
            MeasurementUnavailable: The command closed the connection, and the server is there.
            FlowHealthError: As `ask`.
        """
        try:
            return self.ask(work)
        except ConnectionEnded as error:
            ended = error
        if not any(self._answers(greet) for greet in greetings):
            raise ended
        raise MeasurementUnavailable(
            f"not checked: {ended.message}, although it takes other commands: a proxy, or a managed service, "
            "does not offer this one"
        )

    def _answers(self, greet: Work) -> bool:
        try:
            self.ask(greet)
        except FlowHealthError:
            return False
        return True

    def _by_protocol(self, session: RedisConnection, error: CheckFailed) -> CheckFailed:
        """Return the error of a first answer that did not come, after a look for TLS at the port."""
        address = self.address
        if session.answered or address.path or not isinstance(error, (ConnectionEnded, NoAnswer)):
            return error
        seconds = min(1.0, self.timeout)
        if not address.tls:
            wants = speaks_tls(address, seconds) and isinstance(error, ConnectionEnded)
            return needs_tls(address) if wants else error
        if speaks_plain(address, seconds):
            return no_tls(address)
        if isinstance(error, ConnectionEnded) and speaks_tls(address, seconds):
            return needs_client_certificate(address, "it closed the connection after the handshake")
        return error


class Timed(Generic[Result]):
    """A result, and the seconds from the connection's begin until it was there."""

    def __init__(self, result: Result, seconds: float) -> None:
        self.result = result
        self.seconds = seconds


class Stopwatch:
    """A socket that notes when something was sent and when the answer was there.

    Attributes:
        begin: When the last piece began to be sent, by the clock.
        end: When the last piece had been received.
        inside: Seconds in the system's calls, waiting included.
        sent: Bytes.
        received: Bytes.
    """

    def __init__(self, sock: Any, clock: Callable[[], float]) -> None:
        self._sock = sock
        self._clock = clock
        self.begin = self.end = self.inside = 0.0
        self.sent = self.received = 0

    def sendall(self, data: bytes) -> None:
        """Send all of `data`."""
        self.begin = self._clock()
        self._sock.sendall(data)
        self.inside += self._clock() - self.begin
        self.sent += len(data)

    def recv(self, size: int) -> bytes:
        """Return what is there, up to `size` bytes."""
        begin = self._clock()
        data: bytes = self._sock.recv(size)
        self._received(begin, len(data))
        return data

    def recv_into(self, buffer: Any, *sizes: int) -> int:
        """Put what is there into `buffer`."""
        begin = self._clock()
        size: int = self._sock.recv_into(buffer, *sizes)
        self._received(begin, size)
        return size

    def _received(self, begin: float, size: int) -> None:
        self.end = self._clock()
        self.inside += self.end - begin
        self.received += size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class RedisConnection:
    """One fresh connection, and the command that it sent last, with its key.

    Attributes:
        command: The command sent last, for messages.
        key: Its key, "" where it has none.
        answered: How many answers there were before an error, where that is counted.
        connection: redis-py's, for what is too quick for `ask`.
        clock: Seconds that only go up.
    """

    def __init__(
        self,
        address: RedisAddress,
        seconds: float,
        clock: Callable[[], float],
        context: ssl.SSLContext | None,
        *,
        watched: bool = False,
    ) -> None:
        self.command = ""
        self.key = ""
        self.answered = 0
        self.clock = clock
        self.address = address
        self._closed = False
        self._watches: list[Stopwatch] = []
        self.connection = self._connection(seconds, context, watched=watched)

    @property
    def watch(self) -> Stopwatch:
        """The stopwatch of a connected session that is watched."""
        return self._watches[-1]

    def within(
        self, seconds: float, work: Callable[[RedisConnection], Result]
    ) -> CallOutcome[Timed[Result]]:
        """Connect and do `work`, for `seconds` at most; errors are in the outcome."""
        return within(seconds, lambda: self._run(work), self.close)

    def take_result(self, outcome: CallOutcome[Timed[Result]], seconds: float) -> Timed[Result]:
        """Return the outcome's result, or raise what its error means."""
        if outcome.late or outcome.error:
            raise self.explain_error(outcome.error, seconds)
        return outcome.results[0]

    def explain_error(self, error: BaseException | None, seconds: float = 0.0) -> FlowHealthError:
        """Return what an error, `None` for no answer within `seconds`, means for the user."""
        return explain(
            error, self.address, seconds, self.command, key=self.key, answered=self.answered
        )

    def ask(self, *command: str | bytes | int) -> Any:
        """Send a command and return its reply; error replies are raised."""
        if self._closed:
            raise ConnectionAbortedError("nobody waits for the answer any more")
        self.command, self.key = str(command[0]), str(command[1]) if len(command) > 1 else ""
        self.connection.send_command(*command)
        return self.connection.read_response()

    def query(self, *command: str | bytes | int) -> Any:
        """Send a command that only reads; return its reply as redis-py parses it (INFO: a dict).

        Raises:
            MeasurementUnavailable: The command is not available to this user, or on this server.
            ResponseError: redis-py's, for another error reply.
        """
        from redis.exceptions import ResponseError

        try:
            reply = self.ask(*command)
        except ResponseError as error:
            if not is_refused(error):
                raise
            problem = self.explain_error(error)
        else:
            return parse_reply(command, reply)
        # Outside, so that the error has no chain.
        raise MeasurementUnavailable(f"not checked: {problem.message}", remedy=problem.remedy)

    def reconnect(self) -> None:
        """Make the connection again, after the server has ended it."""
        if self._closed:
            raise ConnectionAbortedError("nobody waits for the answer any more")
        self.connection.disconnect()
        self.connection.connect()

    def close(self) -> None:
        """Close the connection, from any thread; a wait for an answer ends."""
        self._closed = True
        self.connection.disconnect()

    def _run(self, work: Callable[[RedisConnection], Result]) -> Timed[Result]:
        begin = self.clock()
        try:
            self.connection.connect()
            result = work(self)
            return Timed(result, self.clock() - begin)
        finally:
            self.close()

    def _connection(self, seconds: float, context: ssl.SSLContext | None, *, watched: bool) -> Any:
        """Return a connection, not yet made, that tries once and says nothing of itself."""
        import redis.connection

        connection: Any = redis.connection
        where: dict[str, Any] = {"host": self.address.host, "port": self.address.port}
        kind = connection.Connection
        if self.address.path:
            where, kind = {"path": self.address.path}, connection.UnixDomainSocketConnection
        elif context is not None:
            where, kind = where | arguments(self.address), connection_class(context)
        if watched:
            kind = self._watched(kind)
        return kind(**where, **_common(self.address, seconds))

    def _watched(self, kind: Any) -> Any:
        """Return redis-py's class of connections, with a stopwatch around the socket."""

        def connect(connection: Any) -> Stopwatch:
            self._watches.append(Stopwatch(kind._connect(connection), self.clock))  # noqa: SLF001
            return self._watches[-1]

        # Not documented, but what every class of connections in redis-py has to define.
        return type("Watched", (kind,), {"_connect": connect})


def parse_reply(command: tuple[str | bytes | int, ...], reply: Any) -> Any:
    """Return a reply as redis-py's client for this command returns it."""
    parsers = _parsers()
    words = [str(word).upper() for word in command[:2]]
    parse = parsers.get(" ".join(words)) or parsers.get(words[0])
    return parse(reply) if parse else reply


@cache
def _parsers() -> Mapping[str, Callable[[Any], Any]]:
    from redis import Redis

    return dict(Redis(protocol=2, **_unnamed()).response_callbacks)


def _common(address: RedisAddress, seconds: float) -> dict[str, Any]:
    return {
        "db": address.database,
        "username": address.username,
        "password": address.password.reveal() if address.password else None,
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        # HELLO is unknown before Redis 6, and gives nothing that is needed here.
        "protocol": 2,
        **_unnamed(),
    }


@cache
def _unnamed() -> dict[str, Any]:
    """Return the arguments with which redis-py sends no CLIENT SETINFO, by its release.

    Without them it looks up its own version, which takes longer than a round of measurements.
    """
    import redis.connection

    known = inspect.signature(redis.connection.AbstractConnection.__init__).parameters
    return (
        {"driver_info": None} if "driver_info" in known else {"lib_name": None, "lib_version": None}
    )

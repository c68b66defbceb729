"""A Redis server, as a client of it finds it.

Everything is asked over connections of our own, each bounded in time as a
whole, by redis-py. The only key written is one of ours, with a time to live;
KEYS, SCAN, FLUSH and CONFIG are never sent.
"""

from __future__ import annotations

import inspect
import ssl
import time
import uuid
from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from pytest_flowhealth.errors import ProbeError, Unmeasured
from pytest_flowhealth.probes.deadline import Outcome, within
from pytest_flowhealth.probes.redis_address import Address, parse
from pytest_flowhealth.probes.redis_errors import NotRedis, code_of, explain, only_refuses_ping
from pytest_flowhealth.probes.redis_tls import arguments, connection_class, context_of

Result = TypeVar("Result")

SAMPLES = 5
"""Fresh connections that `connect` makes at most."""

FURTHER_SECONDS = 1.0
"""What the samples after the first may take together."""

TTL_MS = 10_000
"""How long our key lives when nobody deletes it."""

_TRIES = 64
"""Keys of our own that are tried until one belongs to this node of a cluster."""


class Server(msgspec.Struct, frozen=True):
    """What a server says of itself (INFO).

    Attributes:
        version: Such as "7.0.15".
        mode: "standalone", "sentinel" or "cluster".
        role: "master" or "slave".
        used_memory: Bytes.
    """

    version: str
    mode: str
    role: str
    used_memory: int | None


class RedisProbe:
    """Asks one Redis.

    Args:
        address: Its URL, or the parsed one.
        timeout: Seconds that each question may take as a whole.
        prefix: What our keys begin with.
        clock: Seconds that only go up.

    Raises:
        ProbeError: The URL can't be read.
    """

    def __init__(
        self,
        address: Address | str,
        *,
        timeout: float = 5.0,
        prefix: str = "flowhealth:",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.address = parse(address) if isinstance(address, str) else address
        self.timeout = timeout
        self.prefix = prefix
        self.clock = clock

    def __repr__(self) -> str:
        return f"RedisProbe({self.address.shown!r}, timeout={self.timeout})"

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """What TLS needs, `None` without; made once, before any time is taken.

        Raises:
            ProbeError: The URL's ssl_ options can't be used.
        """
        return context_of(self.address)

    def connect(self) -> tuple[float, ...]:
        """Return how long fresh connections took to their first answer, in ms.

        Each sample is a new connection, its log-in and SELECT where the URL asks
        for them, and a PING. The first may take the timeout; further ones are
        made, up to `SAMPLES`, while another is likely to end within
        `FURTHER_SECONDS` of the first. One that does not is kept with the time
        that it was waited for: less than it would have taken, and the last.

        Raises:
            ProbeError: There is no connection; the message says why.
        """
        samples = [self._answer(self.timeout, _greet).seconds]
        begin = self.clock()
        while len(samples) < SAMPLES:
            left = min(self.timeout, FURTHER_SECONDS - (self.clock() - begin))
            if left < 2 * max(samples):
                break
            started = self.clock()
            session = _Session(self, left)
            outcome = session.within(left, _greet)
            if outcome.late:
                samples.append(self.clock() - started)
                break
            samples.append(session.judged(outcome, left).seconds)
        return tuple(1_000.0 * seconds for seconds in samples)

    def ping(self) -> None:
        """Send PING.

        Raises:
            ProbeError: The answer is not PONG, or none.
        """
        self._answer(self.timeout, _ping)

    def roundtrip(self) -> None:
        """Write, read and delete one key of our own, and see that it is gone.

        The key is `prefix` + "check:" + a random id, and is written with its
        time to live in one command, so that nothing of ours outlives that.

        Raises:
            ProbeError: A command failed, or what was read is not what was written.
        """
        self._answer(self.timeout, lambda session: _roundtrip(session, self.prefix))

    def info(self) -> Server:
        """Return what the server says of itself.

        Raises:
            ProbeError: There is no connection, or no answer.
            Unmeasured: The user may not send INFO, or the answer lacks the version.
        """
        return self._answer(self.timeout, _info).result

    def _answer(self, seconds: float, work: Callable[[_Session], Result]) -> _Timed[Result]:
        """Do `work` on a fresh connection, within `seconds` as a whole."""
        session = _Session(self, seconds)
        return session.judged(session.within(seconds, work), seconds)


class _Timed(Generic[Result]):
    """A result, and the seconds from the connection's begin until it was there."""

    def __init__(self, result: Result, seconds: float) -> None:
        self.result = result
        self.seconds = seconds


class _Session:
    """One fresh connection, and the command that it sent last, with its key."""

    def __init__(self, probe: RedisProbe, seconds: float) -> None:
        self.command = ""
        self.key = ""
        self._address = probe.address
        self._clock = probe.clock
        self._closed = False
        # Longer than the wait for the whole, which therefore always ends first.
        self._connection = _connection(probe.address, seconds + 1.0, probe.tls)

    def within(self, seconds: float, work: Callable[[_Session], Result]) -> Outcome[_Timed[Result]]:
        """Connect and do `work`, for `seconds` at most; errors are in the outcome."""
        return within(seconds, lambda: self._run(work), self.close)

    def judged(self, outcome: Outcome[_Timed[Result]], seconds: float) -> _Timed[Result]:
        """Return the outcome's result, or raise what its error means."""
        if outcome.late or outcome.error:
            raise explain(outcome.error, self._address, seconds, self.command, self.key)
        return outcome.results[0]

    def ask(self, *command: str | bytes | int) -> Any:
        """Send a command and return its reply; error replies are raised."""
        if self._closed:
            raise ConnectionAbortedError("nobody waits for the answer any more")
        self.command, self.key = str(command[0]), str(command[1]) if len(command) > 1 else ""
        self._connection.send_command(*command)
        return self._connection.read_response()

    def close(self) -> None:
        """Close the connection, from any thread; a wait for an answer ends."""
        self._closed = True
        self._connection.disconnect()

    def _run(self, work: Callable[[_Session], Result]) -> _Timed[Result]:
        begin = self._clock()
        try:
            self._connection.connect()
            result = work(self)
            return _Timed(result, self._clock() - begin)
        finally:
            self.close()


def _connection(address: Address, seconds: float, context: ssl.SSLContext | None) -> Any:
    """Return a connection, not yet made, that tries once and says nothing of itself."""
    import redis.connection

    connection: Any = redis.connection
    silent: dict[str, Any] = {"lib_name": None, "lib_version": None}
    if "driver_info" in inspect.signature(connection.AbstractConnection.__init__).parameters:
        silent = {"driver_info": None}
    common: dict[str, Any] = {
        "db": address.database,
        "username": address.username,
        "password": address.password.reveal() if address.password else None,
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        # HELLO is unknown before Redis 6, and gives nothing that is needed here.
        "protocol": 2,
        **silent,
    }
    if address.path:
        return connection.UnixDomainSocketConnection(path=address.path, **common)
    common |= {"host": address.host, "port": address.port}
    if context is None:
        return connection.Connection(**common)
    return connection_class(context)(**common, **arguments(address))


def _greet(session: _Session) -> str:
    """Get a first answer; one that only refuses PING itself is an answer too."""
    from redis.exceptions import ResponseError

    try:
        _ping(session)
    except ResponseError as error:
        if not only_refuses_ping(error):
            raise
    return "answered"


def _ping(session: _Session) -> None:
    reply = session.ask("PING")
    if reply != b"PONG":
        raise NotRedis(f"it answered PING with {reply!r:.80}")


def _roundtrip(session: _Session, prefix: str) -> None:
    value = uuid.uuid4().hex.encode()
    key = _write(session, prefix, value)
    read, refusal = _reply(session, "GET", key)
    deleted, other = _reply(session, "DEL", key)
    if refusal or other:
        session.command = "GET" if refusal else "DEL"
        raise refusal or other
    if read != value:
        found = "nothing" if read is None else f"{read!r:.80}"
        raise ProbeError(f"Redis took {key}, and gave {found} back where {value!r} was written")
    if deleted != 1 or session.ask("GET", key) is not None:
        raise ProbeError(f"Redis did not delete {key}: DEL answered {deleted!r:.80}")


def _reply(session: _Session, command: str, key: str) -> tuple[Any, Any]:
    """Return a reply and `None`, or `None` and the error reply."""
    from redis.exceptions import ResponseError

    try:
        return session.ask(command, key), None
    except ResponseError as error:
        return None, error


def _write(session: _Session, prefix: str, value: bytes) -> str:
    """Write `value` under a key of our own, in a cluster one that this node holds."""
    from redis.exceptions import ResponseError

    for attempt in range(_TRIES):
        key = f"{prefix}check:{uuid.uuid4().hex}"
        try:
            reply = session.ask("SET", key, value, "PX", TTL_MS)
        except ResponseError as error:
            if attempt == _TRIES - 1 or code_of(error) != "MOVED":
                raise
        else:
            if reply != b"OK":
                raise ProbeError(f"Redis answered SET with {reply!r:.80}")
            return key
    raise AssertionError("unreachable")


def _info(session: _Session) -> Server:
    from redis.exceptions import NoPermissionError

    try:
        reply = session.ask("INFO")
    except NoPermissionError:
        reply = None
    if reply is None:
        raise Unmeasured(
            "the user of this connection may not send INFO, which tells the version",
            remedy="redis-cli ACL SETUSER NAME +info",
        )
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else ""
    fields = dict(line.partition(":")[::2] for line in text.splitlines())
    if not fields.get("redis_version"):
        raise Unmeasured("the answer to INFO tells no version")
    memory = fields.get("used_memory", "")
    return Server(
        version=fields["redis_version"],
        mode=fields.get("redis_mode", "unknown"),
        role=fields.get("role", "unknown"),
        used_memory=int(memory) if memory.isascii() and memory.isdigit() else None,
    )

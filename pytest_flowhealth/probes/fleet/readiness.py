"""Signs that a started agent is ready: a line, a key or a message in Redis, a port.

A sign is prepared before the start (so that what is there already is not taken for it), then
watched in a thread; it notes the moment at which it saw it.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_flowhealth.errors import CheckFailed, FlowHealthError

if TYPE_CHECKING:
    from pytest_flowhealth.probes.redis.address import RedisAddress
    from pytest_flowhealth.probes.redis.session import RedisConnection

EVERY = 0.005
"""Seconds between two looks at a key or a port."""

KINDS = ("stdout", "redis", "event", "port")
"""What a sign may be."""

_CONNECT = 0.2


class ReadySignal:
    """One sign of one start.

    Attributes:
        at: When it was seen, by the clock; None while it was not.
        problem: Why it can't be watched any more.
        wake: Set when either is.
    """

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.what = what
        self.at: float | None = None
        self.problem: FlowHealthError | None = None
        self.wake = threading.Event()
        self.over = threading.Event()
        self._clock = clock

    def prepare(self, seconds: float) -> None:
        """Begin to watch, before the start, for so many seconds at the most.

        Raises:
            CheckFailed: It is there already, or can't be watched.
        """

    def line(self, text: str) -> None:
        """Take in a line of standard output."""

    def end(self) -> None:
        """Watch no longer."""
        self.over.set()

    def _seen(self) -> None:
        self.at = self._clock()
        self.wake.set()


class LineSignal(ReadySignal):
    """A line with a text in it, as whole words."""

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(what, clock)
        self._pattern = re.compile(rf"(?<!\w){re.escape(what.strip())}(?!\w)")

    def line(self, text: str) -> None:
        """Take in a line of standard output."""
        if self.at is None and self._pattern.search(text):
            self._seen()


class PortSignal(ReadySignal):
    """A TCP port of this machine that takes connections."""

    def prepare(self, seconds: float) -> None:
        """Begin to watch."""
        if self._open():
            raise CheckFailed(
                f"something listens at port {self.what} already: that it is ready can't be seen",
                remedy=f"stop it, or use another port: fuser -k {self.what}/tcp",
                diagnosis=f"lsof -i :{self.what}",
            )
        threading.Thread(target=self._watch, args=(seconds,), daemon=True).start()

    def _watch(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.over.wait(EVERY) and time.monotonic() < end:
            if self._open():
                self._seen()
                return

    def _open(self) -> bool:
        for host in ("127.0.0.1", "::1"):
            with (
                contextlib.suppress(OSError),
                socket.create_connection((host, int(self.what)), _CONNECT),
            ):
                return True
        return False


class InRedis(ReadySignal):
    """A sign in Redis, watched over a connection that stands before the start.

    Args:
        what: The key or the channel.
        address: The Redis.
        timeout: Seconds that an answer may take.
        clock: Seconds that only go up.
    """

    def __init__(
        self,
        what: str,
        address: RedisAddress,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(what, clock)
        self._address = address
        self._timeout = timeout
        self._prepared = threading.Event()

    def prepare(self, seconds: float) -> None:
        """Begin to watch."""
        threading.Thread(target=self._run, args=(seconds,), daemon=True).start()
        while not self._prepared.wait(0.05) and self.problem is None:
            pass
        if self.problem is not None:
            raise self.problem

    def _run(self, seconds: float) -> None:
        from pytest_flowhealth.probes.redis.session import ConnectionFactory
        from pytest_flowhealth.probes.redis.topology import resolve

        try:
            node = resolve(self._address, self._timeout, time.perf_counter)[0]
            dialer = ConnectionFactory(node.address, self._timeout)
            dialer.ask(self._watch, longest=seconds + self._timeout)
        except FlowHealthError as error:
            if not self.over.is_set():
                self.problem = error
                self.wake.set()

    def _watch(self, session: RedisConnection) -> None:
        raise NotImplementedError


class Key(InRedis):
    """A key that appears, or changes."""

    def _watch(self, session: RedisConnection) -> None:
        before = _print_of(session, self.what)
        self._prepared.set()
        while not self.over.wait(EVERY):
            now = _print_of(session, self.what)
            if now not in (before, None):
                self._seen()
                return


class MessageSignal(InRedis):
    """A message in a channel."""

    def _watch(self, session: RedisConnection) -> None:
        session.ask("SUBSCRIBE", self.what)
        self._prepared.set()
        while not self.over.is_set():
            if not session.connection.can_read(timeout=0.05):
                continue
            reply = session.connection.read_response()
            if isinstance(reply, list) and reply[:1] == [b"message"]:
                self._seen()
                return


_SIZE = {b"hash": "HLEN", b"list": "LLEN", b"set": "SCARD", b"zset": "ZCARD", b"stream": "XLEN"}


def _print_of(session: RedisConnection, key: str) -> tuple[object, object] | None:
    """Return what changes when a key is written: its text, or its size; None for no key."""
    from redis.exceptions import ResponseError

    kind = session.ask("TYPE", key)
    if kind == b"none":
        return None
    try:
        if kind == b"string":
            return kind, session.ask("GETRANGE", key, 0, 4_095)
        return kind, session.ask(_SIZE[kind], key) if kind in _SIZE else None
    except ResponseError:
        return None  # Its type changed between the two questions.


def make_signal(
    ready: str, address: Callable[[], RedisAddress], timeout: float, word: str
) -> ReadySignal:
    """Return the sign that ``KIND:WHAT`` names.

    Args:
        ready: Such as ``stdout:ready``; ``{spawn}`` in it stands for `word`.
        address: Gives the Redis, where it needs one.
        timeout: Seconds that an answer of it may take.
        word: The start's own word.

    Raises:
        CheckFailed: There is no such sign, or no Redis that can be meant.
    """
    kind, _, what = ready.partition(":")
    what = what.replace("{spawn}", word)
    if kind == "stdout":
        return LineSignal(what)
    if kind == "port":
        return PortSignal(what)
    if kind in ("redis", "event"):
        return (Key if kind == "redis" else MessageSignal)(what, address(), timeout)
    raise CheckFailed(
        f"there is no ready sign {ready[:40]!r}",
        remedy="write it as stdout:ready, redis:KEY, event:CHANNEL or port:NUMBER",
    )

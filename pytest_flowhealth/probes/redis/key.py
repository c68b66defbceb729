"""The key that the probe writes, reads and deletes, and which of these commands the server accepts."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from typing import Any

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.redis.errors import NotRedis, error_code, is_end
from pytest_flowhealth.probes.redis.session import RedisConnection

TTL_MS = 10_000
"""How long our key lives when nobody deletes it."""

COMMANDS = ("PING", "SET", "GET", "DEL")
"""What is sent, in this order."""

WRITES = ("SET", "DEL")
"""Those that a replica does not take."""

_TRIES = 64
"""Keys of our own that are tried until one belongs to this node of a cluster."""


class OwnKey:
    """Our key on one server.

    Args:
        name: Returns another one at each call.
        refused: Commands that are not to be sent, with the reason.
    """

    def __init__(self, name: Callable[[], str], refused: dict[str, str] | None = None) -> None:
        self.next = name
        self.name = name()
        self.value = uuid.uuid4().hex.encode()
        self.refused = dict(refused or {})

    def try_all(self, session: RedisConnection) -> None:
        """Send each command once; note those that are refused, and why."""
        for command in COMMANDS:
            if command not in self.refused:
                self._try(session, command)

    @property
    def allowed(self) -> tuple[str, ...]:
        """The commands that were answered."""
        return tuple(command for command in COMMANDS if command not in self.refused)

    def words(self, command: str) -> tuple[str | bytes | int, ...]:
        """Return a command with its arguments."""
        if command == "SET":
            return ("SET", self.name, self.value, "PX", TTL_MS)
        return (command,) if command == "PING" else (command, self.name)

    def answers(self, command: str) -> Collection[Any]:
        """Return what may be answered; another client's eviction may take the key away."""
        answers: dict[str, Collection[Any]] = {
            "PING": (b"PONG",),
            "SET": (b"OK",),
            "GET": (self.value, None),
            "DEL": (1, 0),
        }
        return answers[command]

    def need(self) -> None:
        """Raise MeasurementUnavailable where no command at all is allowed."""
        if not self.allowed:
            raise MeasurementUnavailable(f"no command is taken from us: {self.refused['PING']}")

    def delete(self, session: RedisConnection) -> None:
        """Delete the key, where that is allowed."""
        if "SET" in self.allowed and "DEL" in self.allowed:
            session.ask(*self.words("DEL"))

    def ask(self, session: RedisConnection, command: str) -> Any:
        """Send a command; where another node of a cluster holds the key of a SET, with another.

        Raises:
            ResponseError: redis-py's, of an error reply.
        """
        from redis.exceptions import ResponseError

        for _ in range(_TRIES - 1):
            try:
                return session.ask(*self.words(command))
            except ResponseError as error:
                if command != "SET" or error_code(error) != "MOVED":
                    raise
                self.name = self.next()
        return session.ask(*self.words(command))

    def _try(self, session: RedisConnection, command: str) -> None:
        from redis.exceptions import RedisError, ResponseError

        try:
            reply = self.ask(session, command)
        except ResponseError as error:
            self.refused[command] = str(session.explain_error(error))
        except (RedisError, OSError) as error:
            if not is_end(error):
                raise
            self.refused[command] = f"the server closes the connection at {command}"
            session.reconnect()
        else:
            check_reply(command, reply, self.answers(command))


def random_name(prefix: str) -> str:
    """Return the name of a key of ours: `prefix` + "check:" + 32 random hex digits."""
    return f"{prefix}check:{uuid.uuid4().hex}"


def check_reply(command: str, reply: object, answers: Collection[Any]) -> None:
    """Raise NotRedis where `reply` is none of `answers`."""
    if reply not in answers:
        raise NotRedis(f"it answered {command} with {reply!r:.80}")

"""Sessions with a Redis that is not there: each command has the reply, or the error, that a test gives."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pytest_flowhealth.probes.redis import info
from pytest_flowhealth.probes.redis.address import RedisAddress, parse_address
from pytest_flowhealth.probes.redis.session import RedisConnection, Timed

INFO = {
    "redis_version": "7.0.15",
    "redis_mode": "standalone",
    "uptime_in_seconds": "60",
    "connected_clients": "4",
    "maxclients": "100",
    "blocked_clients": "0",
    "rejected_connections": "0",
    "evicted_keys": "0",
    "used_memory": "50000000",
    "used_memory_rss": "55000000",
    "maxmemory": "0",
    "maxmemory_policy": "noeviction",
    "loading": "0",
    "rdb_last_bgsave_status": "ok",
    "aof_enabled": "0",
    "aof_last_write_status": "ok",
    "aof_last_bgrewrite_status": "ok",
    "role": "master",
    "connected_slaves": "0",
}
"""What a server that is well tells."""

URL = "redis://127.0.0.1:6379/0"


class ScriptedSession(RedisConnection):
    """A session that is never connected.

    Args:
        replies: The reply to each command that begins with these words; an exception is raised,
            an iterator gives a reply each time.
        address: Where the server would be.

    Attributes:
        asked: The commands that were sent, their words joined.
    """

    def __init__(self, replies: Mapping[str, Any], address: RedisAddress | str = URL) -> None:
        parsed = parse_address(address) if isinstance(address, str) else address
        super().__init__(parsed, 1.0, time.monotonic, None)
        self.replies = replies
        self.asked: list[str] = []

    def ask(self, *command: str | bytes | int) -> Any:
        """Return the reply to a command."""
        words = [word.decode() if isinstance(word, bytes) else str(word) for word in command]
        self.command, self.key = words[0], words[1] if words[1:] else ""
        self.asked.append(" ".join(words))
        reply = next(self.replies[one] for one in self.replies if self.asked[-1].startswith(one))
        if isinstance(reply, Iterator):
            reply = next(reply)
        if isinstance(reply, Exception):
            raise reply
        return reply


def scripted_dialer(servers: Mapping[int, Mapping[str, Any] | Exception]) -> Callable[..., Any]:
    """Return what makes sessions with the server at each port, which may be an error instead."""

    class ScriptedDialer:
        def __init__(self, address: RedisAddress, *_: object) -> None:
            self.address = address

        def ask(self, work: Callable[[RedisConnection], Any], **_: object) -> Timed[Any]:
            server = servers[self.address.port]
            if isinstance(server, Exception):
                raise server
            session = ScriptedSession(server, self.address)
            try:
                return Timed(work(session), 0.0)
            except Exception as error:  # noqa: BLE001  # as the real one does
                raise session.explain_error(error) from None

    return ScriptedDialer


def state(**fields: str | float | dict[str, Any] | None) -> info.ServerState:
    """Return the state that INFO describes with these fields; None removes one."""
    told = {name: value for name, value in {**INFO, **fields}.items() if value is not None}
    return info.make_state(told, parse_address(URL))

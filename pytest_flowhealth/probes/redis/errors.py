"""Explain errors of redis-py, of TLS and of the socket: what they mean, and what fixes them.

Error replies begin with a code (NOAUTH, OOM, ...:
https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors);
redis-py makes classes of some and leaves others in the text, differently from
release to release, so both are considered here.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from shlex import quote

from pytest_flowhealth.errors import CheckFailed, FlowHealthError
from pytest_flowhealth.probes.redis.address import RedisAddress
from pytest_flowhealth.probes.redis.connection_errors import (
    CONNECTION_ENDS,
    ConnectionEnded,
    explain_close,
    explain_os_error,
)

_REFUSED = re.compile(
    r"unknown (?:sub)?command|not (?:allowed|available|supported|permitted|enabled)|unsupported"
    r"|disabled|forbidden|prohibited|restricted|denied",
    re.IGNORECASE,
)


class NotRedis(Exception):
    """An answer that no Redis gives."""


class UnneededPassword(CheckFailed):
    """The server has no password, and the address has one."""


class NoAnswer(CheckFailed):
    """The server did not answer in time."""


def is_refused(error: BaseException) -> bool:
    """Return whether an error reply says that the command is not available to this user.

    The user has no right to it (NOPERM), or a managed service or proxy has renamed, disabled or
    never implemented it.
    """
    code = error_code(error)
    return code == "NOPERM" or (code in ("", "ERR") and _REFUSED.search(str(error)) is not None)


def is_connected_nonetheless(error: BaseException) -> bool:
    """Return whether an error reply to PING comes from a Redis that takes other commands."""
    return is_refused(error) or error_code(error) in {"MISCONF", "MASTERDOWN"}


def explain(
    error: BaseException | None,
    address: RedisAddress,
    seconds: float,
    command: str = "",
    *,
    key: str = "",
    answered: int = 0,
) -> FlowHealthError:
    """Return what an error of redis-py, or of the socket below it, means.

    Args:
        error: The error; `None` when nothing came within `seconds`.
        address: Where it was.
        seconds: How long was waited.
        command: The command that was sent last, "" when none was.
        key: That command's key, one of ours, "" where it takes none.
        answered: How many commands it had answered before.

    Returns:
        An error for the user, without the password and without a chain.
    """
    if isinstance(error, FlowHealthError):
        return error
    if error is None or _is_timeout(error):
        return _late(address, seconds, answered)
    if answered and is_end(error):
        return _ended(address, answered)
    below = next((cause for cause in _chain(error) if isinstance(cause, OSError)), None)
    if below is not None:
        return explain_os_error(below, address)
    return _reply(error, address, command, key)


def _is_timeout(error: BaseException) -> bool:
    from redis.exceptions import TimeoutError as RedisTimeout

    return isinstance(error, (RedisTimeout, TimeoutError))


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def is_end(error: BaseException) -> bool:
    """Tell whether the other side has closed the connection."""
    if error_code(error) == "CLOSED" or isinstance(error, ssl.SSLEOFError):
        return True
    return any(
        isinstance(cause, OSError) and cause.errno in CONNECTION_ENDS for cause in _chain(error)
    )


def _ended(address: RedisAddress, answered: int) -> CheckFailed:
    return ConnectionEnded(
        f"Redis at {address.place} closed the connection after {answered:,} answers "
        f"({address.origin}): it was stopped or restarted, or it ended this client",
        diagnosis=f"{address.cli} ping, and the server's log",
    )


def _late(address: RedisAddress, seconds: float, answered: int) -> CheckFailed:
    after = f" after {answered:,} answers" if answered else ""
    if address.announced:
        internal = ", or the announced address is one of an internal network (cluster-announce-ip)"
    else:
        internal = ""
    resume = "if its process is stopped: pkill -CONT redis-server" if address.local else None
    return NoAnswer(
        f"Redis at {address.place} gave no answer within {seconds:g} s{after} ({address.origin}): "
        f"its process is stopped or busy, or a firewall drops the packets{internal}",
        remedy=resume,
        diagnosis=f"{address.cli} ping",
    )


def error_code(error: BaseException) -> str:
    """Return the code of an error reply, such as "OOM" or "MOVED"; "" where it has none."""
    from redis import exceptions

    by_class = (
        (exceptions.NoPermissionError, "NOPERM"),
        (exceptions.ReadOnlyError, "READONLY"),
        (exceptions.OutOfMemoryError, "OOM"),
        (exceptions.BusyLoadingError, "LOADING"),
        (exceptions.MasterDownError, "MASTERDOWN"),
        (exceptions.ClusterDownError, "CLUSTERDOWN"),
        (exceptions.MovedError, "MOVED"),
        (exceptions.AuthenticationWrongNumberOfArgsError, "WRONGPASS"),
        (exceptions.AuthenticationError, _authentication(str(error))),
    )
    for fragment, code in _BY_TEXT:
        if fragment in str(error):
            return code
    for kind, code in by_class:
        if isinstance(error, kind):
            return code
    found = re.match(r"[A-Z]{3,20}(?= )", str(error))
    return found[0] if found else ""


_BY_TEXT = (
    ("max number of clients reached", "MAXCLIENTS"),
    ("Connection closed by server", "CLOSED"),
    ("DB index is out of range", "DATABASE"),
    ("invalid DB index", "DATABASE"),
    ("NOREPLICAS", "NOREPLICAS"),
    ("protected mode", "DENIED"),
    # Words of redis-py's own, for a reply that is neither OK nor an error.
    ("Invalid Username or Password", "NONSENSE"),
    ("Invalid Database", "NONSENSE"),
)


def _authentication(text: str) -> str:
    if "without any password" in text or "no password is set" in text:
        return "NOPASS"
    return "NOAUTH" if "required" in text.lower() else "WRONGPASS"


def _reply(error: BaseException, address: RedisAddress, command: str, key: str) -> CheckFailed:
    """Return what an error reply means, or an answer that is none."""
    from redis.exceptions import InvalidResponse, ResponseError

    code = error_code(error)
    reply = shorten_reply(address.scrub(str(error)))
    if code == "CLOSED":
        return explain_close(address)
    if code == "NOPERM":
        return _not_permitted(address, command, key, reply)
    known = _REPLIES.get(code)
    if known:
        message, remedy, *diagnosis = (_filled(part, address, command) for part in known)
        kind = UnneededPassword if code == "NOPASS" else CheckFailed
        return kind(message, remedy=remedy or None, diagnosis=diagnosis[0] if diagnosis else None)
    if isinstance(error, ResponseError):
        return CheckFailed(f"Redis at {address.place} refused {command or 'to connect'}: {reply}")
    if isinstance(error, InvalidResponse):
        reply = reply.replace("Protocol Error: b", "it said ")
    elif not isinstance(error, NotRedis):
        reply = "its answer is not in Redis's protocol"
    return CheckFailed(
        f"what answers at {address.place} is no Redis ({address.origin}): {reply}",
        remedy="correct the address in redis.url",
    )


def _filled(text: str, address: RedisAddress, command: str) -> str:
    return text.format(
        at=f"Redis at {address.place}",
        place=address.place,
        origin=address.origin,
        user=f"user {address.username!r}" if address.username else "the default user",
        cli=address.cli,
        command=command or "connections",
        database=address.database,
    )


def _not_permitted(address: RedisAddress, command: str, key: str, reply: str) -> CheckFailed:
    user = address.username or "default"
    keys = f"+set +get +del '~{key.partition('check:')[0]}*'" if key else f"+{command.lower()}"
    return CheckFailed(
        f"Redis at {address.place} does not let user {user!r} send {command} "
        f"({address.origin}): {reply}",
        remedy=f"{address.cli} ACL SETUSER {quote(user)} {keys}",
    )


def shorten_reply(text: str) -> str:
    """Return a server's words: one line, printable, not endless."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return f"{line[:160]}..." if len(line) > 160 else line


_REPLIES = {
    "WRONGPASS": (
        "{at} refused the password of {user} that {origin} gives",
        "correct the password in redis.url",
    ),
    "NOAUTH": (
        "{at} asks for a password, and {origin} gives none that it takes",
        "export FLOWHEALTH_REDIS_URL=redis://:PASSWORD@{place}/{database}",
    ),
    "NOPASS": (
        "{at} has no password, and {origin} gives one",
        "take the password out of redis.url",
    ),
    "READONLY": (
        "{at} is a read-only replica, which takes no writes ({origin})",
        "set redis.url to the primary; where a replica is meant, set redis.replica = true",
        "{cli} INFO replication: the primary's address",
    ),
    "OOM": (
        "{at} is full: its memory has reached maxmemory, and it refuses {command}",
        "delete what is not needed, or raise its limit: {cli} CONFIG SET maxmemory SIZE",
    ),
    "MISCONF": (
        "{at} refuses {command}: it can't save its data to disk (MISCONF)",
        "",
        "its log: disk full, folder not writable; {cli} INFO persistence",
    ),
    "LOADING": (
        "{at} is still loading its data from disk",
        "wait until it has loaded them",
        "{cli} INFO persistence: loading, loading_eta_seconds",
    ),
    "MAXCLIENTS": (
        "{at} takes no more connections: maxclients is reached",
        "{cli} CONFIG SET maxclients NUMBER",
        "{cli} CLIENT LIST: who holds the connections",
    ),
    "DATABASE": (
        "{at} has no database {database} ({origin})",
        "set the number after the host in redis.url to a smaller one",
        "{cli} CONFIG GET databases",
    ),
    "DENIED": (
        "{at} is in protected mode: without a password it takes connections from its own machine only",
        "set a password there: redis-cli CONFIG SET requirepass PASSWORD",
    ),
    "MASTERDOWN": (
        "{at} is a replica that has lost its primary, and serves no old data",
        "",
        "{cli} INFO replication: the link to the primary",
    ),
    "NOREPLICAS": (
        "{at} refuses writes: too few replicas are in step (min-replicas-to-write)",
        "",
        "{cli} INFO replication: which replicas are connected",
    ),
    "CLUSTERDOWN": ("{at} is part of a cluster that is down", "", "{cli} CLUSTER INFO"),
    "MOVED": (
        "{at} is part of a cluster and holds none of its keys",
        "set redis.url to a primary of the cluster",
        "{cli} CLUSTER NODES",
    ),
}
"""Message, remedy ("" where none is known) and where to look, by the code of the reply."""

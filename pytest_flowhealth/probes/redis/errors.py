"""Explain errors of redis-py, of TLS and of the socket: what they mean, and what fixes them.

Error replies begin with a code (NOAUTH, OOM, ...:
https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors);
redis-py makes classes of some and leaves others in the text, differently from
release to release, so both are considered here.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from shlex import quote

from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes.redis.address import RedisAddress

_ENDS = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})


_REFUSED = re.compile(
    r"unknown (?:sub)?command|not (?:allowed|available|supported|permitted|enabled)|unsupported"
    r"|disabled|forbidden|prohibited|restricted|denied",
    re.IGNORECASE,
)


class NotRedis(Exception):
    """An answer that no Redis gives."""


class ConnectionEnded(CheckFailed):
    """The server closed the connection, without an answer to the last command."""


class UnneededPassword(CheckFailed):
    """The server has no password, and the address has one."""


class NoAnswer(CheckFailed):
    """The server did not answer in time."""


def is_refused(error: BaseException) -> bool:
    """Return whether an error reply says that the command is not available to this user.

    The user has no right to it (NOPERM), or a managed service or proxy has renamed, disabled or
    never implemented it.
    """
    code = code_of(error)
    return code == "NOPERM" or (code in ("", "ERR") and _REFUSED.search(str(error)) is not None)


def is_connected_nonetheless(error: BaseException) -> bool:
    """Return whether an error reply to PING comes from a Redis that takes other commands."""
    return is_refused(error) or code_of(error) in {"MISCONF", "MASTERDOWN"}


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
    below = next((one for one in _chain(error) if isinstance(one, OSError)), None)
    if below is not None:
        return _below(below, address)
    return _reply(error, address, command, key)


def _below(error: OSError, address: RedisAddress) -> FlowHealthError:
    return _tls(error, address) if isinstance(error, ssl.SSLError) else _system(error, address)


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
    if code_of(error) == "CLOSED" or isinstance(error, ssl.SSLEOFError):
        return True
    return any(isinstance(one, OSError) and one.errno in _ENDS for one in _chain(error))


def _ended(address: RedisAddress, answered: int) -> CheckFailed:
    return ConnectionEnded(
        f"Redis at {address.place} closed the connection after {answered:,} answers "
        f"({address.origin}): it was stopped or restarted, or it ended this client",
        remedy=f"see whether it still runs, and what its log says: {_cli(address)} ping",
    )


def _late(address: RedisAddress, seconds: float, answered: int) -> CheckFailed:
    after = f" after {answered:,} answers" if answered else ""
    if address.announced:
        internal = ", or the announced address is one of an internal network (cluster-announce-ip)"
    else:
        internal = ""
    resume = "; a stopped process goes on with: pkill -CONT redis-server" if address.local else ""
    return NoAnswer(
        f"Redis at {address.place} gave no answer within {seconds:g} s{after} ({address.origin}): "
        f"its process is stopped or busy, or a firewall drops the packets{internal}",
        remedy=f"{_cli(address)} ping{resume}",
    )


def _tls(error: ssl.SSLError, address: RedisAddress) -> CheckFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(error, address)
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return _closed(address)
    reason = error.reason or str(error)
    if any(word in reason for word in _CLIENT_CERTIFICATE):
        return needs_client_certificate(address, reason.replace("_", " ").lower())
    if any(word in reason for word in _NO_TLS):
        return no_tls(address)
    return CheckFailed(
        f"no TLS connection to Redis at {address.place} ({address.origin}): "
        f"{reason.replace('_', ' ').lower()}",
        remedy=f"openssl s_client -connect {address.place} shows what the server offers",
    )


_CLIENT_CERTIFICATE = (
    *("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "ALERT_UNKNOWN_CA", "ALERT_BAD_CERTIFICATE"),
    *("ALERT_CERTIFICATE_", "ALERT_UNSUPPORTED_CERTIFICATE", "ALERT_NO_CERTIFICATE"),
    *("ALERT_ACCESS_DENIED", "ALERT_CERTIFICATE_UNKNOWN", "ALERT_CERTIFICATE_EXPIRED"),
)
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")
_EXPIRED, _NOT_YET, _HOSTNAME, _IP = 10, 9, 62, 64


def _certificate(error: ssl.SSLCertVerificationError, address: RedisAddress) -> CheckFailed:
    """Explain why the server's certificate is not accepted."""
    code = error.verify_code
    if code in (_HOSTNAME, _IP):
        problem = f"it is for another name than {address.host!r}"
        remedy = (
            "use a name of the certificate as the host in redis.url, or at its end "
            "?ssl_check_hostname=false to check the authority only"
        )
    elif code in (_EXPIRED, _NOT_YET):
        problem = error.verify_message
        remedy = "renew the server's certificate, or correct this machine's clock"
    else:
        problem = f"its authority is unknown here ({error.verify_message})"
        remedy = (
            "name the authority that signed it: redis.ca in flowhealth.toml, "
            "?ssl_ca_certs=/path/ca.pem at the end of redis.url, or NODE_EXTRA_CA_CERTS"
        )
    return CheckFailed(
        f"the TLS certificate of Redis at {address.place} is not accepted ({address.origin}): "
        f"{problem}",
        remedy=remedy,
    )


def needs_client_certificate(address: RedisAddress, reason: str) -> CheckFailed:
    """Return the error for a server that ended the handshake for want of a client certificate."""
    given = "ssl_certfile" in address.options
    what = "rejects the client certificate" if given else "requires a client certificate"
    return CheckFailed(
        f"Redis at {address.place} {what} ({address.origin}): {reason}",
        remedy="name one that the server's authority has signed, at the end of redis.url: "
        "?ssl_certfile=/path/client.crt&ssl_keyfile=/path/client.key (or the server sets "
        "tls-auth-clients no)",
    )


def no_tls(address: RedisAddress) -> CheckFailed:
    """Return the error for a port without TLS."""
    return CheckFailed(
        f"the port of Redis at {address.place} has no TLS, and {address.origin} asks for it",
        remedy="write redis://, not rediss://, or use the server's TLS port (tls-port)",
    )


def needs_tls(address: RedisAddress) -> CheckFailed:
    """Return the error for a port with TLS that was addressed without."""
    return CheckFailed(
        f"the port of Redis at {address.place} has TLS, and {address.origin} does not use it",
        remedy="write rediss://, not redis://, or use the server's port without TLS",
    )


def _system(error: OSError, address: RedisAddress) -> FlowHealthError:
    if isinstance(error, socket.gaierror):
        return _unknown_host(error, address)
    if address.announced and error.errno in _UNREACHABLE:
        return _announced(error, address)
    if error.errno in {errno.ECONNREFUSED, errno.ENOENT}:
        return CheckFailed(
            f"no Redis listens at {address.place} ({address.origin})", remedy=_start(address)
        )
    if error.errno in _ENDS:
        return _closed(address)
    return _other(error, address)


def _other(error: OSError, address: RedisAddress) -> CheckFailed:
    if error.errno in {errno.EACCES, errno.EPERM} and address.path:
        return CheckFailed(
            f"this user may not open the socket {address.path} ({address.origin})",
            remedy="redis-cli CONFIG SET unixsocketperm 770, and join the socket's group",
        )
    return CheckFailed(
        f"no connection to Redis at {address.place} ({address.origin}): "
        f"{error.strerror or 'the system refused it'}",
        remedy="correct the address in redis.url",
    )


_UNREACHABLE = frozenset(
    {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT}
)


def _announced(error: OSError, address: RedisAddress) -> CheckFailed:
    """Explain that an address cannot be reached which other servers named, not a setting."""
    what = "no Redis listens" if error.errno == errno.ECONNREFUSED else "nothing is reached"
    return CheckFailed(
        f"{what} at {address.place}, the address that the servers announce ({address.origin})",
        remedy="see whether that server runs; if the address is one of an internal network: "
        "CONFIG SET cluster-announce-ip (Sentinel: replica-announce-ip), or natMap in ioredis",
    )


def _unknown_host(error: socket.gaierror, address: RedisAddress) -> FlowHealthError:
    if address.unreachable:
        return MeasurementUnavailable(
            f"Redis at {address.place} can't be reached from here ({address.origin}): "
            f"{address.unreachable}",
            remedy="run the checks in that network, or set redis.url to the published port",
        )
    silent = error.errno == socket.EAI_AGAIN
    problem = "the name server gave no answer" if silent else "there is no such host"
    return CheckFailed(
        f"the host {address.host!r} of Redis can't be found ({address.origin}): {problem}",
        remedy="correct the host in redis.url, or the machine's name resolution",
    )


def _start(address: RedisAddress) -> str:
    if address.path:
        return f"redis-server --unixsocket {quote(address.path)} --daemonize yes"
    if not address.local or address.tls:
        return f"start Redis on {address.host}, or correct redis.url"
    port = f" --port {address.port}" if address.port != 6379 else ""
    return f"redis-server{port} --daemonize yes"


def _closed(address: RedisAddress) -> CheckFailed:
    return ConnectionEnded(
        f"what listens at {address.place} closed the connection without an answer "
        f"({address.origin})",
        remedy="correct the address in redis.url, if that is no Redis",
    )


def _cli(address: RedisAddress) -> str:
    if address.path:
        return f"redis-cli -s {quote(address.path)}"
    tls = " --tls" if address.tls else ""
    return f"redis-cli -h {quote(address.host)} -p {address.port}{tls}"


def code_of(error: BaseException) -> str:
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

    code = code_of(error)
    said = _shown(address.scrub(str(error)))
    if code == "CLOSED":
        return _closed(address)
    if code == "NOPERM":
        return _not_permitted(address, command, key, said)
    known = _REPLIES.get(code)
    if known:
        message, remedy = (_filled(part, address, command) for part in known)
        kind = UnneededPassword if code == "NOPASS" else CheckFailed
        return kind(message, remedy=remedy)
    if isinstance(error, ResponseError):
        return CheckFailed(f"Redis at {address.place} refused {command or 'to connect'}: {said}")
    if isinstance(error, InvalidResponse):
        said = said.replace("Protocol Error: b", "it said ")
    elif not isinstance(error, NotRedis):
        said = "its answer is not in Redis's protocol"
    return CheckFailed(
        f"what answers at {address.place} is no Redis ({address.origin}): {said}",
        remedy="correct the address in redis.url",
    )


def _filled(text: str, address: RedisAddress, command: str) -> str:
    return text.format(
        at=f"Redis at {address.place}",
        place=address.place,
        origin=address.origin,
        user=f"user {address.username!r}" if address.username else "the default user",
        cli=_cli(address),
        command=command or "connections",
        database=address.database,
    )


def _not_permitted(address: RedisAddress, command: str, key: str, said: str) -> CheckFailed:
    user = address.username or "default"
    keys = f"+set +get +del '~{key.partition('check:')[0]}*'" if key else f"+{command.lower()}"
    return CheckFailed(
        f"Redis at {address.place} does not let user {user!r} send {command} "
        f"({address.origin}): {said}",
        remedy=f"{_cli(address)} ACL SETUSER {quote(user)} {keys}",
    )


def _shown(text: str) -> str:
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
        "take the password out of redis.url, or set one: {cli} CONFIG SET requirepass PASSWORD",
    ),
    "READONLY": (
        "{at} is a read-only replica, which takes no writes ({origin})",
        "set redis.url to the primary, which this names: {cli} INFO replication; "
        "where a replica is meant, set redis.replica = true",
    ),
    "OOM": (
        "{at} is full: its memory has reached maxmemory, and it refuses {command}",
        "delete what is not needed, or give it more: {cli} CONFIG SET maxmemory 1gb",
    ),
    "MISCONF": (
        "{at} refuses {command}: it can't save its data to disk (MISCONF)",
        "its log says why (disk full, folder not writable); its state: {cli} INFO persistence",
    ),
    "LOADING": (
        "{at} is still loading its data from disk",
        "wait until this says loading:0: {cli} INFO persistence",
    ),
    "MAXCLIENTS": (
        "{at} takes no more connections: maxclients is reached",
        "see who holds them: {cli} CLIENT LIST; allow more: {cli} CONFIG SET maxclients 10000",
    ),
    "DATABASE": (
        "{at} has no database {database} ({origin})",
        "set the number after the host in redis.url to one below: {cli} CONFIG GET databases",
    ),
    "DENIED": (
        "{at} is in protected mode: without a password it takes connections from its own machine only",
        "set a password there: redis-cli CONFIG SET requirepass PASSWORD",
    ),
    "MASTERDOWN": (
        "{at} is a replica that has lost its primary, and serves no old data",
        "see the link to the primary: {cli} INFO replication",
    ),
    "NOREPLICAS": (
        "{at} refuses writes: too few replicas are in step (min-replicas-to-write)",
        "see which are connected: {cli} INFO replication",
    ),
    "CLUSTERDOWN": ("{at} is part of a cluster that is down", "{cli} CLUSTER INFO"),
    "MOVED": (
        "{at} is part of a cluster and holds none of its keys",
        "set redis.url to a primary of the cluster: {cli} CLUSTER NODES",
    ),
}
"""Message and remedy by the code of the reply."""

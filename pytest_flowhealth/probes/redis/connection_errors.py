"""Explain errors of the socket and of TLS below redis-py: what they mean, and what fixes them."""

from __future__ import annotations

import errno
import socket
import ssl
from shlex import quote

from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes.redis.address import RedisAddress

CONNECTION_ENDS = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})
"""Error numbers of a connection that the other side has closed."""


class ConnectionEnded(CheckFailed):
    """The server closed the connection, without an answer to the last command."""


def explain_os_error(error: OSError, address: RedisAddress) -> FlowHealthError:
    """Return what an error of the system or of TLS means for the connection to `address`."""
    return _tls(error, address) if isinstance(error, ssl.SSLError) else _system(error, address)


def _tls(error: ssl.SSLError, address: RedisAddress) -> CheckFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(error, address)
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return explain_close(address)
    reason = error.reason or str(error)
    if any(word in reason for word in _CLIENT_CERTIFICATE):
        return needs_client_certificate(address, reason.replace("_", " ").lower())
    if any(word in reason for word in _NO_TLS):
        return no_tls(address)
    return CheckFailed(
        f"no TLS connection to Redis at {address.place} ({address.origin}): "
        f"{reason.replace('_', ' ').lower()}",
        diagnosis=f"openssl s_client -connect {address.place}",
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
            "?ssl_ca_certs=/path/ca.pem at the end of redis.url, or NODE_EXTRA_CA_CERTS; if the "
            "application accepts it nonetheless (rejectUnauthorized: false): ?ssl_cert_reqs=none"
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
        return _nothing_listens(address)
    if error.errno in CONNECTION_ENDS:
        return explain_close(address)
    return _other(error, address)


def _nothing_listens(address: RedisAddress) -> FlowHealthError:
    problem = f"no Redis listens at {address.place} ({address.origin})"
    if address.assumed and address.contradictions:
        return MeasurementUnavailable(
            f"{problem}, and {'; '.join(address.contradictions)}",
            remedy="set redis.url in flowhealth.toml to the address that the application uses",
        )
    return CheckFailed("; ".join((problem, *address.contradictions)), remedy=_start(address))


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
        remedy="start that server; if the address is one of an internal network: "
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


def explain_close(address: RedisAddress) -> CheckFailed:
    """Return the error for a connection that was closed without an answer."""
    return ConnectionEnded(
        f"what listens at {address.place} closed the connection without an answer "
        f"({address.origin})",
        remedy="correct the address in redis.url, if that is no Redis",
    )

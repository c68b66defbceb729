"""TLS towards a Redis, as the options in its URL ask for it.

The options are redis-py's: ``ssl_ca_certs`` and ``ssl_ca_path`` (who may have
signed the server's certificate, besides those the system trusts),
``ssl_certfile`` and ``ssl_keyfile`` (our own certificate), ``ssl_cert_reqs``
(``required``, ``optional`` or ``none``) and ``ssl_check_hostname``. Without
them the certificate is checked, and whose it is, as Node's clients do.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any

from pytest_flowhealth.config.files import reason
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.redis.address import RedisAddress

_REQUIRED = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}


def make_context(address: RedisAddress) -> ssl.SSLContext | None:
    """Return what a TLS connection to `address` needs; `None` where it has no TLS.

    Raises:
        CheckFailed: An option has no meaning, or names a file that can't be used.
    """
    if not address.tls:
        return None
    try:
        return _context(address)
    except (OSError, ValueError) as error:
        problem = reason(error)
    raise CheckFailed(
        f"the ssl_ options of {address.origin} can't be used: {problem}: {address.shown}",
        remedy="correct the files that redis.ca, and ssl_ca_certs, ssl_certfile and ssl_keyfile "
        "in redis.url, name",
    )


def connection_class(context: ssl.SSLContext) -> Any:
    """Return redis-py's class of TLS connections, with a `context` made beforehand.

    Its own way reads every authority that the system knows anew for each
    connection: 30 ms that no server is to blame for. A release without this
    method goes its own way, with the same options.
    """
    import redis.connection

    def wrap(self: Any, sock: socket.socket) -> ssl.SSLSocket:
        return context.wrap_socket(sock, server_hostname=self.host)

    return type("TlsConnection", (redis.connection.SSLConnection,), {"_wrap_socket_with_ssl": wrap})


def arguments(address: RedisAddress) -> dict[str, Any]:
    """Return the URL's options as arguments of redis-py's class."""
    return {**address.options, "ssl_check_hostname": _checks_name(address)}


def _context(address: RedisAddress) -> ssl.SSLContext:
    options = address.options
    context = ssl.create_default_context()
    context.check_hostname = _checks_name(address)
    context.verify_mode = _required(address)
    authorities, folder = options.get("ssl_ca_certs"), options.get("ssl_ca_path")
    if authorities or folder:
        context.load_verify_locations(authorities, folder)
    certificate = options.get("ssl_certfile")
    if certificate:
        context.load_cert_chain(certificate, options.get("ssl_keyfile"))
    return context


def _checks_name(address: RedisAddress) -> bool:
    # redis-py before 6 checks the certificate, and not whose it is, unless told.
    wanted = address.options.get("ssl_check_hostname", "true").lower() not in {"false", "0", "no"}
    return wanted and _required(address) is not ssl.CERT_NONE


def _required(address: RedisAddress) -> ssl.VerifyMode:
    name = address.options.get("ssl_cert_reqs", "required")
    if name not in _REQUIRED:
        raise ValueError(f"ssl_cert_reqs is one of {', '.join(_REQUIRED)}")
    return _REQUIRED[name]


def speaks_tls(address: RedisAddress, seconds: float) -> bool:
    """Return whether the port answers a TLS handshake, even by refusing it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((address.host, address.port), seconds) as plain,
            context.wrap_socket(plain, server_hostname=address.host),
        ):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except (OSError, ValueError):
        return False


def speaks_plain(address: RedisAddress, seconds: float) -> bool:
    """Return whether the port answers Redis's protocol without TLS."""
    try:
        with socket.create_connection((address.host, address.port), seconds) as plain:
            plain.sendall(b"PING\r\n")
            return plain.recv(64)[:1] in (b"+", b"-")
    except (OSError, ValueError):
        return False

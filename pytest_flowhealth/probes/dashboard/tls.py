"""TLS: the files that it needs, and what an error of it means, with the option that solves it."""

from __future__ import annotations

import atexit
import os
import socket
import ssl
import tempfile
from functools import cache
from pathlib import Path

import msgspec

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed


class TlsFiles(msgspec.Struct, frozen=True):
    """PEM files for TLS: `authorities` that sign servers, and the client's `certificate` and `key`.

    None: the authorities that the system trusts, and no client certificate. The key may be in the
    certificate's file.
    """

    authorities: str | None = None
    certificate: str | None = None
    key: str | None = None


SYSTEM_TLS = TlsFiles()

_ALERT_SECONDS = 1.0
_CERTIFICATE_REQUEST = 13

_TLS_PROBLEMS = (
    # A part of OpenSSL's message, the problem, the remedy.
    (
        "certificate required",
        "requires a client certificate",
        'name one: [dashboard] certificate = "FILE" and key = "FILE" in flowhealth.toml',
    ),
    (
        "handshake failure",
        "refuses the TLS handshake; it may require a client certificate",
        'name one: [dashboard] certificate = "FILE" and key = "FILE" in flowhealth.toml',
    ),
    (
        "alert unknown ca",
        "does not trust the client certificate's authority",
        "name a certificate that the server trusts: [dashboard] certificate in flowhealth.toml",
    ),
    (
        "alert bad certificate",
        "refuses the client certificate",
        "name a certificate that the server trusts: [dashboard] certificate in flowhealth.toml",
    ),
    (
        "ostname mismatch",
        "has a certificate for another name",
        "use a name that the certificate has in the address, or issue one for this name",
    ),
    (
        "address mismatch",
        "has a certificate for another name",
        "use a name that the certificate has in the address, or issue one for this name",
    ),
    (
        "subject name matches",
        "has a certificate for another name",
        "use a name that the certificate has in the address, or issue one for this name",
    ),
    (
        "certificate has expired",
        "has a certificate that has expired",
        "renew the server's certificate",
    ),
    (
        "not yet valid",
        "has a certificate that is not valid yet",
        "compare the clocks of both machines",
    ),
    (
        "wrong version number",
        "does not speak TLS at this port",
        "write http:// (ws://) in the address, or serve TLS",
    ),
    (
        "certificate",
        "has a certificate that is not trusted",
        'name the authority that signed it: [dashboard] ca = "FILE" in flowhealth.toml',
    ),
)


def explain_tls(text: str) -> str | None:
    """Return what a message of OpenSSL means, None if it is no known one."""
    return next((f"{what}: {text}" for part, what, _ in _TLS_PROBLEMS if part in text), None)


def tls_remedy(text: str) -> str | None:
    """Return the option, or the change, that solves a problem of TLS."""
    return next((remedy for part, _, remedy in _TLS_PROBLEMS if part in text), None)


def make_context(tls: TlsFiles) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities and those of `tls`.

    Raises:
        CheckFailed: A file can't be used.
    """
    context = ssl.create_default_context()
    key = "dashboard.ca"
    try:
        if tls.authorities is not None:
            context.load_verify_locations(tls.authorities)
        key = "dashboard.certificate, or dashboard.key,"
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ValueError) as error:
        text = one_line(str(error), 120)
        raise CheckFailed(
            f"the file that {key} names can't be used: {text}", remedy="name a PEM file"
        ) from None
    return context


def find_refusal(
    host: str, port: int, tls: TlsFiles, seconds: float
) -> tuple[str, str | None] | None:
    """Return how a server refuses the client over TLS, and the remedy; None if it does not.

    In TLS 1.3 a server refuses a client's certificate after the handshake, and some, such as Node's,
    only close the connection. Whoever has sent a request by then may see a reset connection: here
    nothing is sent, and a server that accepts the client waits.
    """
    requested: list[int] = []
    try:
        context = make_context(tls)
        # The only way to see that the server asks for a certificate; a debugging aid of ssl.
        context._msg_callback = lambda *message: requested.append(message[4])  # type: ignore[attr-defined]  # noqa: SLF001
        with (
            socket.create_connection((host, port), seconds) as raw,
            context.wrap_socket(raw, server_hostname=host) as secure,
        ):
            secure.settimeout(min(seconds, _ALERT_SECONDS))
            text = "" if secure.recv(1) == b"" else None
    except TimeoutError:
        return None
    except ssl.SSLError as error:
        text = one_line(str(error), 200)
    except ConnectionError:
        text = ""
    except (OSError, CheckFailed):
        return None
    if text and (problem := explain_tls(text)):
        return problem, tls_remedy(text)
    if text is None or _CERTIFICATE_REQUEST not in requested:
        return None
    known = "alert bad certificate" if tls.certificate else "certificate required"
    return (explain_tls(known) or known).partition(":")[0], tls_remedy(known)


@cache
def join_authorities(path: str | None) -> str:
    """Return a file with the authorities that the system trusts and those at `path`.

    libcurl reads one file; it keeps what it read for each client.
    """
    system = ssl.get_default_verify_paths().cafile
    if system is None:
        import certifi

        system = certifi.where()
    if path is None:
        return system
    make_context(TlsFiles(path))
    handle, joined = tempfile.mkstemp(prefix="flowhealth-ca-")
    atexit.register(Path(joined).unlink, missing_ok=True)
    with os.fdopen(handle, "wb") as file:
        file.write(Path(path).read_bytes() + b"\n" + Path(system).read_bytes())
    return joined

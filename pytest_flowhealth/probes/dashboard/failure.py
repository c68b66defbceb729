"""What an error of a connection means, in words that name no secret."""

from __future__ import annotations

import http.client
import socket
import ssl

from pytest_flowhealth.domain.text import format_number, one_line
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.dashboard.address import Address


class Broken(Exception):
    """An answer that did not come, or is none; the text says what is wrong with it."""


Failures = (OSError, http.client.HTTPException, Broken, EOFError)
"""What asking may raise where the server, or the way to it, is at fault."""

_CLOSED = (
    http.client.RemoteDisconnected,
    http.client.IncompleteRead,
    ConnectionResetError,
    BrokenPipeError,
)


def reason(error: BaseException, timeout: float) -> str:
    """Return why there was no answer.

    Args:
        error: One of `Failures`.
        timeout: The seconds that the answer had.
    """
    if isinstance(error, Broken):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"gives no whole answer within {format_number(timeout)} s"
    if isinstance(error, _CLOSED):
        return "closes the connection without a whole answer"
    if isinstance(error, http.client.HTTPException):
        return f"answers with what is no HTTP: {one_line(str(error) or type(error).__name__, 120)}"
    return f"can't be reached: {_of_connection(error)}"


def down(address: Address, error: BaseException, timeout: float) -> CheckFailed:
    """Return the failure that an error of asking `address` is."""
    return CheckFailed(f"{address.shown} {reason(error, timeout)}", remedy=remedy(address, error))


def remedy(address: Address, error: BaseException) -> str:
    """Return what would do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return 'name the authority that signed it: [dashboard] ca = "FILE" in flowhealth.toml'
    if isinstance(error, socket.gaierror | ConnectionRefusedError):
        return f"start what serves it, or correct {address.key} in flowhealth.toml"
    return f"curl -i {address.shown.replace('ws', 'http', 1) if address.scheme[0] == 'w' else address.shown}"


def _of_connection(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate can't be trusted: {one_line(error.verify_message, 200)}"
    if isinstance(error, ssl.SSLError):
        return f"TLS fails: {one_line(error.reason or str(error), 120)}"
    if isinstance(error, socket.gaierror):
        return f"its name is not known ({one_line(error.strerror or '', 120)})"
    if isinstance(error, OSError) and error.strerror:
        return one_line(error.strerror, 200)
    return one_line(str(error) or type(error).__name__, 200)

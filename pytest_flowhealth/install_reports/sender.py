"""Send and erase a report: within seconds, over TLS, to the named host only."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.probes.deadline import within

PATH = "/api/reports"
"""Where a monitor's page receives reports."""

SECONDS, WHOLE = 5.0, 10.0
"""Limits of the connection and of each pause of the response, and of everything together."""

_MAX_RESPONSE = 4_096
_ID = re.compile(r"[\w-]{16,100}\Z", re.ASCII)
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_REASONS = {
    401: "FLOWHEALTH_REPORT_TOKEN is not set, or not a token that it accepts",
    403: "the token does not open it: it needs the scope report",
    404: "it receives no reports there, or has none with this id",
    429: "it was sent too many; try again later",
    503: "it can't keep any now",
}


class SendError(Exception):
    """The report was not sent, or not accepted; the message says why."""


class _Receipt(msgspec.Struct):
    id: str


class _Refusal(msgspec.Struct):
    error: str


class ReportReceiver(msgspec.Struct, frozen=True):
    """Where reports go: `origin` is its scheme, host and port, `url` the whole address."""

    origin: str
    url: str


def parse_receiver(text: str, option: str) -> ReportReceiver:
    """Return the receiver at an address; without a path it is a monitor's page.

    Raises:
        UsageError: The address is invalid, or others could read the report on its way.
    """
    parts = urlsplit("")
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username is not None or parts.query or parts.fragment:
        # Not shown: it may hold a password.
        raise UsageError(
            f"{option}: that is no address such as https://health.example.org; "
            "a token goes into FLOWHEALTH_REPORT_TOKEN"
        )
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise UsageError(f"{option}: over http everybody on the way could read it; use https")
    origin = f"{parts.scheme}://{parts.netloc}"
    path = parts.path.rstrip("/")
    return ReportReceiver(origin, f"{origin}{path or PATH}")


def send(receiver: ReportReceiver, content: bytes, token: str | None) -> str:
    """Send a report; return the address that erases it.

    Raises:
        SendError: It was not sent, or not accepted.
    """
    body = _request("POST", receiver.url, 201, content, token)
    try:
        name = msgspec.json.decode(body, type=_Receipt).id
    except (msgspec.DecodeError, ValueError, RecursionError):
        name = ""
    if not _ID.match(name):
        raise SendError("its answer makes no sense")
    return f"{receiver.url}/{name}"


def erase(receiver: ReportReceiver) -> None:
    """Erase the report at an address that `send` returned.

    Raises:
        SendError: It was not erased.
    """
    _request("DELETE", receiver.url, 204)


def _request(
    method: str, url: str, expected: int, content: bytes | None = None, token: str | None = None
) -> bytes:
    """Return the body of a response with the expected status.

    Raises:
        SendError: There is none in time.
    """
    import requests

    def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
        # Called without a token, too: otherwise requests would read ~/.netrc.
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        return request

    def exchange() -> tuple[int, bytes]:
        headers = {"Accept": "application/json", "User-Agent": "pytest-flowhealth"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        with session.request(
            method,
            url,
            data=content,
            headers=headers,
            auth=authorize,
            timeout=SECONDS,
            stream=True,
            allow_redirects=False,
        ) as response:
            return response.status_code, response.raw.read(_MAX_RESPONSE)

    with requests.Session() as session:
        status, body = _run_in_time(exchange, session.close)
    if status != expected:
        raise SendError(_describe_refusal(status, body))
    return body


def _run_in_time(
    exchange: Callable[[], tuple[int, bytes]], give_up: Callable[[], None]
) -> tuple[int, bytes]:
    import requests

    outcome = within(WHOLE, exchange, give_up)
    if outcome.late or isinstance(outcome.error, requests.Timeout):
        raise SendError("no answer in time")
    if isinstance(outcome.error, requests.exceptions.SSLError):
        raise SendError("its certificate is not trusted, or the connection broke")
    if outcome.error is not None:
        raise SendError("it can't be reached, or the connection broke")
    return outcome.results[0]


def _describe_refusal(status: int, body: bytes) -> str:
    """Return why a report was not accepted, with the receiver's own message made safe to show."""
    if status in _REASONS:
        return f"HTTP {status}: {_REASONS[status]}"
    if 300 <= status < 400:
        return f"HTTP {status}: it names another address, which is not followed"
    try:
        message = one_line(msgspec.json.decode(body, type=_Refusal).error, 200)
    except (msgspec.DecodeError, ValueError, RecursionError):
        message = ""
    return f"HTTP {status}" + (f": {message}" if message else "")

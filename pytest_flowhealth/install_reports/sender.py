"""Sends a report, and has one erased: within seconds, by TLS, to nobody but the host that was named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.probes.deadline import within

if TYPE_CHECKING:
    import requests

PATH = "/api/reports"
"""Where a monitor's page takes reports."""

SECONDS, WHOLE = 5.0, 10.0
"""What connecting may take, and each pause of the answer; and the whole."""

_LARGEST_ANSWER = 4_096
_ID = re.compile(r"[\w-]{16,100}\Z", re.ASCII)
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_WHY = {
    401: "FLOWHEALTH_REPORT_TOKEN is not set, or not a token that it accepts",
    403: "the token does not open it: it needs the scope report",
    404: "it receives no reports there, or has none with this id",
    429: "it was sent too many; try again later",
    503: "it can't keep any now",
}


class NotSent(Exception):
    """It was not sent, or not taken; the message says why."""


class _Taken(msgspec.Struct):
    """What a receiver answers."""

    id: str


class _Problem(msgspec.Struct):
    """What it answers where it refuses."""

    error: str


class Receiver(msgspec.Struct, frozen=True):
    """Where reports go: `origin` is its scheme, host and port, `url` the whole address."""

    origin: str
    url: str


def receiver_of(text: str, option: str) -> Receiver:
    """Return what an option names; an address without a path means a monitor's page.

    Raises:
        UsageError: It is no address, or one by which others on the way could read.
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
    return Receiver(origin, f"{origin}{path or PATH}")


def send(receiver: Receiver, content: bytes, token: str | None) -> str:
    """Send a report; return the address that erases it.

    Raises:
        NotSent: It was not, or the receiver did not take it.
    """
    answer = _asked("POST", receiver.url, content, token, 201)
    try:
        name = msgspec.json.decode(answer, type=_Taken).id
    except (msgspec.DecodeError, ValueError, RecursionError):
        name = ""
    if not _ID.match(name):
        raise NotSent("its answer makes no sense")
    return f"{receiver.url}/{name}"


def erase(receiver: Receiver) -> None:
    """Have the report erased whose address this is.

    Raises:
        NotSent: It was not.
    """
    _asked("DELETE", receiver.url, None, None, 204)


def _asked(method: str, url: str, content: bytes | None, token: str | None, right: int) -> bytes:
    """Return an answer's body, small and in time.

    Raises:
        NotSent: There is none, or another than the right one.
    """
    import requests

    session = requests.Session()
    done = within(
        WHOLE, lambda: _answered(session, method, url, (content, token), right), session.close
    )
    error = done.error
    if done.late or isinstance(error, requests.exceptions.Timeout):
        raise NotSent("no answer in time")
    if isinstance(error, requests.exceptions.SSLError):
        raise NotSent("its certificate is not trusted, or the connection broke")
    if isinstance(error, NotSent):
        raise NotSent(str(error))
    if error is not None:
        raise NotSent("it can't be reached, or the connection broke")
    return done.results[0]


def _answered(
    session: requests.Session,
    method: str,
    url: str,
    what: tuple[bytes | None, str | None],
    right: int,
) -> bytes:
    content, token = what
    headers = {"Accept": "application/json", "User-Agent": "pytest-flowhealth"}
    headers |= {} if content is None else {"Content-Type": "application/json"}

    def authorized(request: requests.PreparedRequest) -> requests.PreparedRequest:
        # Also without a token: else requests would take one of ~/.netrc.
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        return request

    with session.request(
        method,
        url,
        data=content,
        headers=headers,
        auth=authorized,
        timeout=SECONDS,
        stream=True,
        allow_redirects=False,
    ) as answer:
        body: bytes = answer.raw.read(_LARGEST_ANSWER)
        if answer.status_code == right:
            return body
        raise NotSent(_refusal(answer.status_code, body))


def _refusal(code: int, body: bytes) -> str:
    """Return why it was not taken; what a monitor says of it is told too, made safe to show."""
    if code in _WHY:
        return f"HTTP {code}: {_WHY[code]}"
    if 300 <= code < 400:
        return f"HTTP {code}: it names another address, which is not followed"
    try:
        said = one_line(msgspec.json.decode(body, type=_Problem).error, 200)
    except (msgspec.DecodeError, ValueError, RecursionError):
        said = ""
    return f"HTTP {code}" + (f": {said}" if said else "")

"""One request and its answer; what went wrong is told apart by whether GitHub may have heard it."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from pytest_flowhealth.probes.deadline import within
from pytest_flowhealth.probes.github.failure import Lost, Refused, Unreachable

CONNECTING = 10.0
"""Seconds that a connection may take."""

MOST_BYTES = 32 * 2**20
"""What an answer may have: a page of 100 issues with the longest bodies has some 26 MB."""

VERSION = "2022-11-28"
"""The version of the API (docs.github.com, "API Versions")."""

_PIECE = 2**16
_MOST_MOVES = 3
_MOVED = {301: ("GET",), 302: ("GET",), 307: ("GET", "POST"), 308: ("GET", "POST")}


class Request(NamedTuple):
    """What is asked: a whole address; a `body` is JSON, and makes it a POST."""

    url: str
    body: bytes | None = None

    @property
    def method(self) -> str:
        """GET or POST."""
        return "GET" if self.body is None else "POST"


class Answer(NamedTuple):
    """What came, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Bearer(requests.auth.AuthBase):
    """The token, or none: without this requests would look into the user's .netrc."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Body(io.BytesIO):
    """What is sent; knows whether anything of it was: it is read piece by piece, as it is sent."""

    begun = False

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next piece."""
        self.begun = True
        return super().read(size)


def origin(url: str) -> tuple[str, str]:
    """Return the scheme and the host with its port: whom a token is shown to."""
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


def exchange(request: Request, token: str | None, seconds: float) -> Answer:
    """Ask once, and return the whole answer; a move within the same host is followed.

    Raises:
        Unreachable: GitHub did not hear of it.
        Lost: It may have heard of it, and there is no whole answer.
        Refused: It leads elsewhere.
    """
    answer = Answer(0, {}, b"")
    for _ in range(_MOST_MOVES + 1):
        answer = _once(request, token, seconds)
        if request.method not in _MOVED.get(answer.status, ()):
            return answer
        target = urljoin(request.url, answer.headers.get("location", ""))
        if origin(target) != origin(request.url):
            raise Refused("it leads to another host, which is not followed", answer.status, "")
        request = Request(target, request.body)
    raise Refused("it leads from one place to the next", answer.status, "")


def _once(request: Request, token: str | None, seconds: float) -> Answer:
    opened: list[requests.Response] = []
    body = None if request.body is None else Body(request.body)
    outcome = within(
        seconds, lambda: _sent(request, body, token, seconds, opened), lambda: _cut(opened)
    )
    if outcome.late:
        raise Lost("it gave no whole answer in time")
    if outcome.error is not None:
        raise _meant(outcome.error, sent=body is not None and body.begun) from None
    return outcome.results[0]


def _sent(
    request: Request,
    body: Body | None,
    token: str | None,
    seconds: float,
    opened: list[requests.Response],
) -> Answer:
    headers = {
        "Accept": "application/vnd.github+json",
        "User-Agent": "pytest-flowhealth",
        "X-GitHub-Api-Version": VERSION,
    }
    if body is not None:
        headers["Content-Type"] = "application/json"
    with requests.Session() as session:
        response = session.request(
            request.method,
            request.url,
            data=body,
            headers=headers,
            auth=Bearer(token),
            timeout=(min(seconds, CONNECTING), seconds),
            allow_redirects=False,
            stream=True,
        )
        opened.append(response)
        with response:
            return Answer(response.status_code, response.headers, _read(response))


def _read(response: requests.Response) -> bytes:
    parts, size = [], 0
    for part in response.iter_content(_PIECE):
        size += len(part)
        if size > MOST_BYTES:
            raise Lost(f"it answers with more than {MOST_BYTES >> 20} MiB")
        parts.append(part)
    return b"".join(parts)


def _meant(error: BaseException, *, sent: bool) -> BaseException:
    """Return what an error means; its own text may hold the address, and so is not shown.

    The kind of an error alone does not say when it came: a connection that breaks is a proxy's or
    TLS's fault both before and after the request. So nothing is unheard of which a part was sent.
    """
    if isinstance(error, (requests.RequestException, urllib3.exceptions.HTTPError)):
        causes = _causes(error)
        if not sent and any(isinstance(one, _UNHEARD) for one in causes):
            return Unreachable(_reason(causes))
        if not sent and isinstance(error, _UNUSABLE):
            return Unreachable("its address or the token can't be used")
        slow = isinstance(error, requests.Timeout)
        return Lost("it gave no whole answer in time" if slow else "the connection broke")
    return error


def _reason(causes: list[BaseException]) -> str:
    found = (text for kind, text in _REASONS if any(isinstance(one, kind) for one in causes))
    return next(found, "it can't be reached")


_UNHEARD: tuple[type[BaseException], ...] = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
    requests.exceptions.ProxyError,
    requests.exceptions.ConnectTimeout,
    ssl.SSLCertVerificationError,
)
"""Errors of the way there; so is one of TLS only where the certificate is looked at."""

_UNUSABLE = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
)
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, "its certificate is not trusted"),
    (urllib3.exceptions.NameResolutionError, "its host has no address that can be found"),
    (requests.exceptions.ProxyError, "the proxy does not let us through"),
    (urllib3.exceptions.NewConnectionError, "the connection is refused"),
    (urllib3.exceptions.ConnectTimeoutError, "it can't be reached in time"),
)


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    one: Any = error
    while isinstance(one, BaseException) and one not in found:
        found.append(one)
        inner = [part for part in one.args if isinstance(part, BaseException)]
        one = getattr(one, "reason", None) or next(iter(inner), None)
    return found


def _cut(opened: list[requests.Response]) -> None:
    """End what still comes in: closing alone would not wake the one who reads."""
    for response in opened:
        with (
            contextlib.suppress(OSError, ValueError),
            socket.socket(fileno=os.dup(response.raw.fileno())) as connection,
        ):
            connection.shutdown(socket.SHUT_RDWR)

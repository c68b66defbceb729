"""One request and its answer: who is asked, how, and what it means when there is no answer."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import requests
import urllib3
from requests.utils import should_bypass_proxies

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.deadline import within
from pytest_flowhealth.probes.registry.npmrc import Credential
from pytest_flowhealth.probes.registry.settings import Settings, Way, shown

CONNECTING = 10.0
"""Seconds that a connection may take."""

_PIECE = 2**16
_AGENT = "pytest-flowhealth"


class Server(msgspec.Struct, frozen=True):
    """Who is asked: the address ends with ``/``; `label` is its name in messages."""

    label: str
    address: str
    way: Way = Way()
    credential: Credential = Credential()

    @property
    def named(self) -> str:
        """Its name and its address."""
        return f"{self.label} {shown(self.address)}"


class Request(NamedTuple):
    """What is asked: the path below the server's address; a `body` is JSON, and makes it a POST."""

    path: str
    body: bytes | None = None
    etag: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers, but for the credential."""
        told = {"Accept": "application/json", "User-Agent": _AGENT}
        if self.body is not None:
            told["Content-Type"] = "application/json"
        if self.etag is not None:
            told["If-None-Match"] = self.etag
        return told


class Answer(NamedTuple):
    """What came, whatever its status."""

    status: int
    headers: Any
    body: bytes


class Again(Exception):
    """No answer, or one that says to ask later; `pause` is how much later, in seconds."""

    def __init__(self, said: str, pause: float | None = None) -> None:
        super().__init__(said)
        self.said = said
        self.pause = pause


def registry_server(settings: Settings) -> Server:
    """Return the registry."""
    return Server("the registry", settings.registry, settings.way, settings.credential)


def downloads_server(settings: Settings) -> Server:
    """Return the downloads API, which is told no credential.

    Raises:
        MeasurementUnavailable: None is known for the registry.
    """
    if settings.downloads is None:
        raise MeasurementUnavailable(
            f"no downloads API is known for the registry {shown(settings.registry)}",
            remedy='set it in flowhealth.toml: [npm] downloads = "https://..."',
        )
    address = settings.downloads
    address = address if address.endswith("/") else f"{address}/"
    return Server("the downloads API", address, settings.way)


def exchange(server: Server, request: Request, seconds: float, most: int) -> Answer:
    """Ask once, and return the whole answer.

    Args:
        server: Who is asked.
        request: What.
        seconds: What all of it may take, however slowly it drips.
        most: What the answer may have, unpacked, in bytes.

    Raises:
        Again: There was no whole answer, for a cause that may pass.
        MeasurementUnavailable: There was none, for another cause, or it has more than `most`.
    """
    opened: list[requests.Response] = []

    def work() -> Answer:
        return _exchange(server, request, seconds, most, opened)

    outcome = within(seconds, work, lambda: _cut(opened))
    if outcome.late:
        raise Again("gave no whole answer in time")
    if outcome.error is not None:
        raise _meant(outcome.error, server)
    return outcome.results[0]


class _Authorization(requests.auth.AuthBase):
    """Our credential, or none: without it requests would look into the user's .netrc."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._credential:
            request.headers["Authorization"] = self._credential.header
        return request


def _exchange(
    server: Server, request: Request, seconds: float, most: int, opened: list[requests.Response]
) -> Answer:
    url = server.address + request.path
    with requests.Session() as session:
        response = session.request(
            "GET" if request.body is None else "POST",
            url,
            data=request.body,
            headers=request.headers,
            auth=_Authorization(server.credential),
            timeout=(min(seconds, CONNECTING), seconds),
            verify=_verify(server.way),
            proxies=_proxies(server.way, url),
            stream=True,
        )
        opened.append(response)
        with response:
            body = _read(response, most)
    if body is None:
        raise MeasurementUnavailable(f"{server.named} answers with more than {most / 2**20:g} MiB")
    return Answer(response.status_code, response.headers, body)


def _read(response: requests.Response, most: int) -> bytes | None:
    parts, size = [], 0
    for part in response.iter_content(_PIECE):
        size += len(part)
        if size > most:
            return None
        parts.append(part)
    return b"".join(parts)


def _meant(error: BaseException, server: Server) -> BaseException:
    """Return what an error of the exchange means."""
    if isinstance(error, requests.exceptions.SSLError):
        return MeasurementUnavailable(
            f"{server.named} can't be trusted: {_reason(error)}",
            remedy="npm config set cafile PATH, where the authority is one of your own",
        )
    passing = _passing(error)
    if passing is not None:
        return Again(passing)
    if isinstance(error, (requests.RequestException, urllib3.exceptions.HTTPError, ValueError)):
        return MeasurementUnavailable(f"{server.named} gave no answer: {_reason(error)}")
    return error


def _passing(error: BaseException) -> str | None:
    """Return what went wrong where another try may go well, else None."""
    if isinstance(error, requests.Timeout):
        reached = not isinstance(error, requests.ConnectTimeout)
        return "gave no whole answer in time" if reached else "can't be reached in time"
    if not isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        return None
    refused = any(isinstance(one, urllib3.exceptions.MaxRetryError) for one in error.args)
    said = "can't be reached" if refused else "broke off its answer"
    return f"{said}: {_reason(error)}"


def _verify(way: Way) -> bool | str:
    if not way.strict:
        # npm's own `strict-ssl=false`: the user knows.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return False
    return way.cafile or os.environ.get("NODE_EXTRA_CA_CERTS") or True


def _proxies(way: Way, url: str) -> dict[str, str]:
    named = {"http": way.proxy, "https": way.https_proxy or way.proxy}
    if not any(named.values()) or should_bypass_proxies(url, way.noproxy or None):
        return {}
    return {scheme: proxy for scheme, proxy in named.items() if proxy}


def _cut(opened: list[requests.Response]) -> None:
    """End what still comes in: closing alone would not wake the one who reads."""
    for response in opened:
        with (
            contextlib.suppress(OSError, ValueError),
            socket.socket(fileno=os.dup(response.raw.fileno())) as connection,
        ):
            connection.shutdown(socket.SHUT_RDWR)


def _reason(error: BaseException) -> str:
    """Return the innermost cause in words; the outer ones repeat the address."""
    words = [one for one in _causes(error) if one]
    return one_line(words[-1] if words else type(error).__name__, 200)


def _causes(error: BaseException) -> Iterator[str]:
    seen: set[int] = set()
    one: Any = error
    while isinstance(one, BaseException) and id(one) not in seen:
        seen.add(id(one))
        if isinstance(one, OSError) and one.strerror:
            yield one.strerror
        elif not isinstance(one, (requests.RequestException, urllib3.exceptions.MaxRetryError)):
            yield str(one)
        inner = [part for part in one.args if isinstance(part, BaseException)]
        one = (
            getattr(one, "reason", None)
            or next(iter(inner), None)
            or one.__cause__
            or one.__context__
        )

"""A registry in front of the real one: it hands on what is read, and answers audits by itself."""

from __future__ import annotations

import contextlib
import functools
import gzip
import json
import subprocess
import threading
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from pytest_flowhealth.probes.registry import transport
from pytest_flowhealth.probes.registry.client import Client, Time
from pytest_flowhealth.probes.registry.npmrc import Credential
from pytest_flowhealth.probes.registry.store import Store
from tests.kit.clock import FakeClock

BULK = "/-/npm/v1/security/advisories/bulk"
"""Where npm 7 and later ask for advisories, by POST: ``{name: [version, ...]}``."""

SEVERITIES = frozenset(("info", "low", "moderate", "high", "critical"))

BODIES: dict[str, bytes] = {
    "null": b"null",
    "list": b"[]",
    "text": b'"fine"',
    "error": b'{"error": "not today"}',
    "listed": b'{"error": ["not today"]}',
    "garbage": b"\x00\xff\x17garbage",
    "nothing": b"",
    "html": b"<!doctype html><title>Sign in</title>",
}
"""Answers with status 200 that are no answers; `{}` is one: no advisory is known."""

Advisories = Mapping[str, Sequence[str]]

Days = Callable[[date], int]
"""How often a package was downloaded on a day."""


class Replies:
    """Answers of a server, given one after the other, the last one again and again; no connection.

    An exception is raised; a function gets the seconds of the request and returns an answer or an
    exception.

    Attributes:
        requests: The requests that came, in order.
    """

    def __init__(self, *replies: Any) -> None:
        self._replies = list(replies)
        self.requests: list[transport.Request] = []

    def exchange(
        self, _: transport.Server, request: transport.Request, seconds: float, most: int
    ) -> transport.Answer:
        """Answer in place of `transport.exchange`."""
        assert most > 0
        self.requests.append(request)
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if not isinstance(reply, (Exception, transport.Answer)):
            reply = reply(seconds)
        if isinstance(reply, Exception):
            raise reply
        answer: transport.Answer = reply
        return answer

    def client(
        self,
        clock: FakeClock | None = None,
        cache: Path | None = None,
        credential: Credential = Credential(),  # noqa: B008  # frozen
    ) -> Client:
        """Return a client that gets these answers, by this clock, with a store in `cache`."""
        clock = clock or FakeClock()
        server = transport.Server("the registry", "http://registry.example/", credential=credential)
        at = Time(clock.now, clock.now, clock.sleep)
        return Client(server, Store(cache), at=at, exchange=self.exchange)


def reply(content: object, status: int = 200) -> transport.Answer:
    """Return an answer with a JSON body, or with these bytes."""
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return transport.Answer(status, {"content-type": "application/json"}, body)


class RegistryFront:
    """``with RegistryFront(audit={"express": ["high"]}) as front: npm("--registry", front.url)``.

    Args:
        audit: How audits are answered: advisories as ``{name: [severity, ...]}``
            for every version of these packages; severities such as "low,high",
            of the first package that is asked about; "none": no advisory is
            known; a status such as "405"; "hang": never; "drip": a
            byte in half a second; "cut": the body ends in the middle; a key
            of `BODIES`.
        get: How everything else is answered: None hands it on to the registry
            that npm is configured for; else a status such as "500", "hang", or
            a key of `BODIES`.
        unknown: Packages that are answered with status 404.
        documents: Packages that it answers for by itself, with an ETag.
        days: The downloads API: the downloads of each day; or how it misbehaves, as `audit`; else
            404.
        versions: The downloads of the last week by version; or as `days`.
        refusals: How many requests of the downloads API are first answered with status 429 and
            Retry-After.
        retry_after: What that says.
    """

    def __init__(
        self,
        audit: str | Advisories = "405",
        get: str | None = None,
        unknown: Collection[str] = (),
        *,
        documents: Mapping[str, Any] | None = None,
        days: Days | str = "404",
        versions: Mapping[str, int] | str = "404",
        refusals: int = 0,
        retry_after: str = "1",
    ) -> None:
        self.audit = audit
        self.get = get
        self.unknown = frozenset(unknown)
        self.documents = documents or {}
        self.days = days
        self.versions = versions
        self.refusals = refusals
        self.retry_after = retry_after
        self.asked: list[str] = []
        self.over = threading.Event()
        real_registry()  # asked now: tests make this front npm's registry
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.front = self

    @property
    def url(self) -> str:
        """Its address, to be set as npm's `registry`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make it npm's registry."""
        return {"npm_config_registry": self.url}

    def configure(self, project: Path) -> None:
        """Make it the registry of `project`, in its .npmrc."""
        (project / ".npmrc").write_text(f"registry={self.url}\n")

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def tells(self) -> bool:
        """Whether it answers audits as documented."""
        told = not isinstance(self.audit, str) or self.audit == "none"
        return told or SEVERITIES.issuperset(str(self.audit).split(","))

    def advisories(self, asked: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Return the advisories of what was asked for, as the registry words them."""
        if isinstance(self.audit, str):
            first = min(asked, default=None)
            given = {first: self.audit.split(",")} if first and self.audit != "none" else {}
        else:
            given = {name: list(self.audit[name]) for name in asked if name in self.audit}
        return {name: _advisories(name, *of) for name, of in given.items()}


def package_document(name: str, **dependencies: str) -> dict[str, Any]:
    """Return a package's document; its archive is nowhere, for npm never gets that far."""
    version = {
        "name": name,
        "version": "1.0.0",
        "dependencies": dependencies,
        "dist": {"tarball": f"http://127.0.0.1:1/{name}.tgz", "integrity": "sha512-AAAA"},
    }
    return {"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}


def advisory(name: str, severity: str, versions: str = "*") -> dict[str, Any]:
    """Return one advisory (docs.npmjs.com, "npm audit", "Bulk Advisory Endpoint").

    npm keeps what it made of an advisory in its cache, by the number: another
    advisory needs another one.
    """
    number = zlib.crc32(f"{name} {severity} {versions}".encode())
    return {
        "id": number,
        "url": f"https://example.invalid/advisories/{number}",
        "title": f"A {severity} fault in {name}",
        "severity": severity,
        "vulnerable_versions": versions,
        "cwe": ["CWE-1"],
        "cvss": {"score": 0, "vectorString": None},
    }


def _advisories(name: str, *severities: str) -> list[dict[str, Any]]:
    return [advisory(name, severity) for severity in severities]


def _range(path: str, days: Days) -> dict[str, Any]:
    """Return the days of ``FIRST:LAST/PACKAGE``."""
    period, _, package = path.partition("/")
    first, last = map(date.fromisoformat, period.split(":"))
    row = [first + timedelta(days=at) for at in range((last - first).days + 1)]
    downloads = [{"day": str(day), "downloads": days(day)} for day in row]
    return {"start": str(first), "end": str(last), "package": package, "downloads": downloads}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    front: RegistryFront

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        front = self.server.front
        front.asked.append(f"GET {self.path}")
        name = unquote(urlsplit(self.path).path).lstrip("/")
        if name.startswith(("downloads/range/", "versions/")):
            self._count(name)
        elif name in front.documents:
            self._document(json.dumps(front.documents[name]).encode())
        elif name in front.unknown:
            self._answer(b'{"error": "Not found"}', 404)
        elif front.get == "hang":
            self._hang()
        elif front.get in BODIES:
            self._answer(BODIES[front.get])
        elif front.get is not None:
            self._answer(b'{"error": "as told"}', int(front.get))
        else:
            self._hand_on()

    def _document(self, body: bytes) -> None:
        etag = f'"{zlib.crc32(body)}"'
        known = self.headers.get("if-none-match") == etag
        self.send_response(304 if known else 200)
        self.send_header("etag", etag)
        self.send_header("content-type", "application/json")
        if not known:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if not known:
            self.wfile.write(body)

    def _count(self, path: str) -> None:
        """Answer as the downloads API (github.com/npm/registry, docs/download-counts.md)."""
        front = self.server.front
        if front.refusals:
            front.refusals -= 1
            self.send_response(429)
            self.send_header("retry-after", front.retry_after)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        told = front.days if path.startswith("downloads/") else front.versions
        if isinstance(told, str):
            self._misbehave(told)
        elif isinstance(told, Mapping):
            package = path.removeprefix("versions/").removesuffix("/last-week")
            self._answer(json.dumps({"package": package, "downloads": dict(told)}).encode())
        else:
            self._answer(json.dumps(_range(path.removeprefix("downloads/range/"), told)).encode())

    def do_POST(self) -> None:
        front = self.server.front
        front.asked.append(f"POST {self.path}")
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path != BULK:
            self._answer(b"{}", 404)
        elif isinstance(front.audit, str) and not front.tells:
            self._misbehave(front.audit)
        else:
            self._answer(json.dumps(front.advisories(json.loads(body))).encode())

    def _misbehave(self, how: str) -> None:
        if how.isdecimal():
            self._answer(b'{"error": "as told"}', int(how))
        elif how == "hang":
            self._hang()
        elif how == "drip":
            self._begin(10_000)
            while not self.server.front.over.wait(0.5):
                self.wfile.write(b" ")
        elif how == "cut":
            self._begin(10_000)
            self.wfile.write(b'{"express": [{"id": 1, "sever')
            self.close_connection = True
        else:
            self._answer(BODIES[how])

    def _hang(self) -> None:
        self.server.front.over.wait()
        self.close_connection = True

    def _begin(self, length: int, status: int = 200, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(length))
        self.end_headers()

    def _answer(self, body: bytes, status: int = 200, kind: str = "application/json") -> None:
        self._begin(len(body), status, kind)
        self.wfile.write(body)

    def _hand_on(self) -> None:
        try:
            self._answer(*_fetched(self.path, self.headers.get("accept", "*/*")))
        except requests.RequestException:
            self._answer(b"{}", 502)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        """Say nothing."""


@functools.lru_cache(200)
def _fetched(path: str, accept: str) -> tuple[bytes, int, str]:
    """Return body, status and type of what the real registry answers; it is far away."""
    address, certificates = real_registry()
    # What is far away fails now and then; what it answered then must not be kept for the session.
    retry = Retry(5, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    with requests.Session() as session:
        session.mount(address, HTTPAdapter(max_retries=retry))
        told = session.get(
            address + path, headers={"accept": accept}, timeout=60, verify=certificates
        )
    return told.content, told.status_code, told.headers.get("content-type", "")


@functools.cache
def real_registry() -> tuple[str, str | bool]:
    """Return the address of the registry that npm is configured for, and its certificates."""
    address = _configured("registry").rstrip("/")
    file = _configured("cafile")
    with contextlib.suppress(OSError):
        if Path(file).is_file():
            return address, file
    return address, True


def _configured(key: str) -> str:
    done = subprocess.run(
        ["npm", "config", "get", key], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()

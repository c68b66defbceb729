"""A registry in front of the real one: it hands on what is read, and answers audits by itself."""

import functools
import gzip
import json
import subprocess
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from tests.kit.http import HttpServer, Reply, Request

BULK = "/-/npm/v1/security/advisories/bulk"
"""Where npm 7 and later ask for advisories, by POST: ``{name: [version, ...]}``."""

BODIES: dict[str, bytes] = {
    "null": b"null",
    "garbage": b"\x00\xff\x17garbage",
    "nothing": b"",
    "html": b"<!doctype html><title>Sign in</title>",
}
"""Answers with status 200 that are no answers; `{}` is one: no advisory is known."""

Advisories = Mapping[str, Sequence[str]]

Days = Callable[[date], int]
"""How often a package was downloaded on a day."""


class RegistryFront(HttpServer):
    """``with RegistryFront(audit={"express": ["high"]}) as front: npm("--registry", front.url)``.

    Args:
        audit: How audits are answered: advisories as ``{name: [severity, ...]}`` for every version
            of these packages; "none": no advisory is known; a status such as "405"; a fault of
            `kit.http.Reply`; a key of `BODIES`.
        get: How everything else is answered: None hands it on to the registry that npm is configured
            for; else as `audit`.
        unknown: Packages that are answered with status 404.
        documents: Packages that it answers for by itself, with an ETag.
        days: The downloads API: the downloads of each day; or how it misbehaves, as `audit`.
        versions: The downloads of the last week by version; or as `days`.
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
    ) -> None:
        self.audit: str | Advisories = {} if audit == "none" else audit
        self.get = get
        self.unknown = frozenset(unknown)
        self.documents = documents or {}
        self.days = days
        self.versions = versions
        real_registry()  # asked now: tests make this front npm's registry
        super().__init__(self._answer)

    @property
    def url(self) -> str:
        """Its address, to be set as npm's `registry`."""
        return f"{super().url}/"

    @property
    def asked(self) -> list[str]:
        """The method and the target of each request."""
        return [f"{request.method} {request.target}" for request in self.requests]

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make it npm's registry."""
        return {"npm_config_registry": self.url}

    def configure(self, project: Path) -> None:
        """Make it the registry of `project`, in its .npmrc."""
        (project / ".npmrc").write_text(f"registry={self.url}\n")

    def _answer(self, request: Request) -> Reply:
        name = unquote(request.path).lstrip("/")
        if request.method == "POST":
            return self._audit(request)
        if name.startswith(("downloads/range/", "versions/")):
            return self._count(name)
        if name in self.documents:
            body = json.dumps(self.documents[name]).encode()
            etag = f'"{zlib.crc32(body)}"'
            known = request.headers.get("if-none-match") == etag
            headers = {"etag": etag, **_JSON}
            return Reply(status=304, headers=headers) if known else Reply(body, headers=headers)
        if name in self.unknown:
            return _misbehaviour("404")
        if self.get is not None:
            return _misbehaviour(self.get)
        try:
            return _fetched(request.target, request.headers.get("accept", "*/*"))
        except requests.RequestException:
            return _misbehaviour("502")

    def _audit(self, request: Request) -> Reply:
        if request.path != BULK:
            return _misbehaviour("404")
        if isinstance(self.audit, str):
            return _misbehaviour(self.audit)
        packed = request.headers.get("content-encoding") == "gzip"
        wanted = json.loads(gzip.decompress(request.body) if packed else request.body)
        found = {name: self.audit[name] for name in wanted if name in self.audit}
        return Reply.of_json(
            {name: [_advisory(name, severity) for severity in found[name]] for name in found}
        )

    def _count(self, path: str) -> Reply:
        """Answer as the downloads API (github.com/npm/registry, docs/download-counts.md)."""
        ranged = path.startswith("downloads/")
        figures = self.days if ranged else self.versions
        if isinstance(figures, str):
            return _misbehaviour(figures)
        if isinstance(figures, Mapping):
            package = path.removeprefix("versions/").removesuffix("/last-week")
            return Reply.of_json({"package": package, "downloads": dict(figures)})
        period, _, package = path.removeprefix("downloads/range/").partition("/")
        first, last = map(date.fromisoformat, period.split(":"))
        row = [first + timedelta(days=at) for at in range((last - first).days + 1)]
        downloads = [{"day": str(day), "downloads": figures(day)} for day in row]
        return Reply.of_json({"package": package, "downloads": downloads})


_JSON = {"content-type": "application/json"}


def _misbehaviour(how: str) -> Reply:
    """Return an answer with this status, with this body of `BODIES`, or with this fault."""
    if how.isdecimal():
        return Reply.of_json({"error": "as configured"}, int(how))
    return Reply(BODIES[how], headers=_JSON) if how in BODIES else Reply(headers=_JSON, fault=how)


def package_document(name: str, **dependencies: str) -> dict[str, Any]:
    """Return a package's document; its archive is nowhere, for npm never gets that far."""
    version = {
        "name": name,
        "version": "1.0.0",
        "dependencies": dependencies,
        "dist": {"tarball": f"http://127.0.0.1:1/{name}.tgz", "integrity": "sha512-AAAA"},
    }
    return {"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}


def _advisory(name: str, severity: str) -> dict[str, Any]:
    """Return one advisory (docs.npmjs.com, "npm audit", "Bulk Advisory Endpoint").

    npm keeps what it made of an advisory in its cache, by the number: another advisory needs
    another number.
    """
    number = zlib.crc32(f"{name} {severity}".encode())
    return {
        "id": number,
        "url": f"https://example.invalid/advisories/{number}",
        "title": f"A {severity} fault in {name}",
        "severity": severity,
        "vulnerable_versions": "*",
        "cwe": ["CWE-1"],
        "cvss": {"score": 0, "vectorString": None},
    }


@functools.lru_cache(200)
def _fetched(path: str, accept: str) -> Reply:
    """Return what the real registry answers; it is far away."""
    address, certificates = real_registry()
    # What is far away fails now and then; what it answered then must not be kept for the session.
    retry = Retry(5, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    with requests.Session() as session:
        session.mount(address, HTTPAdapter(max_retries=retry))
        answer = session.get(
            address + path, headers={"accept": accept}, timeout=60, verify=certificates
        )
    kind = {"content-type": answer.headers.get("content-type", "")}
    return Reply(answer.content, answer.status_code, kind)


@functools.cache
def real_registry() -> tuple[str, str | bool]:
    """Return the address of the registry that npm is configured for, and its certificates."""
    address, file = _configured("registry").rstrip("/"), _configured("cafile")
    return address, (Path(file).is_file() and file) or True


def _configured(key: str) -> str:
    done = subprocess.run(
        ["npm", "config", "get", key], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()

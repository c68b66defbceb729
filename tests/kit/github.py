"""GitHub's REST API on loopback: issues, labels and comments as documented, and every way to fail.

As documented at docs.github.com, "REST API endpoints for issues", "... for labels", "Rate limits for
the REST API", "Best practices": statuses, bodies and headers. Lists may lag behind, as they do there.
"""

from __future__ import annotations

import contextlib
import email.utils
import itertools
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

TOKEN = "github_pat_planted_0123456789abcdef"
REPOSITORY = "acme/shop"
GARBAGE = b"\x00\xff<html>it is not you, it is us"

BEFORE = ("500", "503", "cut", "half", "garbage", "primary", "secondary", "429", "slow")
"""Faults where nothing was done."""

AFTER = ("done 502", "done cut", "done half", "done garbage", "done slow")
"""Faults of the answer to what was done."""

TLS: dict[str, bytes] = {
    "done alert": b"\x15\x03\x03\x00\x02\x02\x50",
    "done plain": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
}
"""What comes where an encrypted answer should: an alert that ends it, a proxy's own word."""


class Asked(NamedTuple):
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Clock:
    """A time that passes when somebody waits."""

    def __init__(self, at: float = 1_790_000_000.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def pass_by(self, seconds: float) -> None:
        self.at += max(0.0, seconds)


class GitHubServer:
    """``with GitHubServer() as github: Client(REPOSITORY, TOKEN, api=github.url)``.

    Args:
        now: Its time, in seconds since 1970.
        lag: Seconds until what was made is in lists.
        may_push: Whether the token may make labels and give them.
        per_page: The most that a page has.
        certificate: A file with key and certificate: it speaks TLS then, as localhost.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        *,
        lag: float = 0.0,
        may_push: bool = True,
        per_page: int = 100,
        certificate: Path | None = None,
    ) -> None:
        self.now = now
        self.lag = lag
        self.may_push = may_push
        self.per_page = per_page
        self.issues: list[dict[str, Any]] = []
        self.labels: dict[str, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.asked: list[Asked] = []
        self.has_issues = True
        self.link: str | None = None  # what a proxy makes of the Link header
        self.status: dict[str, tuple[int, str]] = {}
        self.headers: dict[str, str] = {}
        self.fault: Callable[[Asked, int], str | None] = lambda *_: None
        self.seconds = 0.0
        self.hold = threading.Event()
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.github = self
        self._secure = certificate is not None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def url(self) -> str:
        """The API's address."""
        begin = "https://localhost" if self._secure else "http://127.0.0.1"
        return f"{begin}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()

    def about(self, fingerprint: str) -> list[dict[str, Any]]:
        """Return the issues of a fingerprint."""
        begin = f"<!-- flowhealth:{fingerprint} -->"
        return [one for one in self.issues if (one["body"] or "").startswith(begin)]

    def posts(self, end: str) -> list[Asked]:
        """Return what was asked to be made."""
        return [one for one in self.asked if one.method == "POST" and one.path.endswith(end)]

    def open(self, **named: Any) -> dict[str, Any]:
        """Open an issue, or a pull request, by somebody else."""
        at = named.pop("created", self.now())
        one = {
            "number": next(self._numbers),
            "title": "something",
            "body": None,
            "state": "open",
            "state_reason": None,
            "created_at": stamp(at),
            "closed_at": None,
            "locked": False,
            "comments": 0,
            "user": {"login": "somebody", "type": "User"},
            "_at": at,
            **named,
        }
        one["labels"] = [{"id": 1, "name": name} for name in one.get("labels", ())]
        one.setdefault("html_url", f"{self.url}/{REPOSITORY}/issues/{one['number']}")
        self.issues.append(one)
        return one

    def close(self, number: int, reason: str = "completed", at: float | None = None) -> None:
        """Close an issue."""
        one = self.issue(number)
        assert one is not None
        one.update(state="closed", state_reason=reason, closed_at=stamp(at or self.now()))

    def issue(self, number: int) -> dict[str, Any] | None:
        """Return an issue."""
        return next((one for one in self.issues if one["number"] == number), None)

    def say(self, number: int, login: str, at: float, kind: str = "User") -> None:
        """Comment on an issue."""
        found = self.comments.setdefault(number, [])
        user = {"login": login, "type": kind}
        found.append({"id": len(found) + 1, "created_at": stamp(at), "user": user, "body": "Hm."})
        one = self.issue(number)
        assert one is not None
        one["comments"] = len(found)

    # -- what the handler asks

    def answer(self, asked: Asked) -> tuple[int, Any, dict[str, str]]:
        """Return status, body and headers."""
        with self._lock:
            return self._answer(asked)

    def _answer(self, asked: Asked) -> tuple[int, Any, dict[str, str]]:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if (token or asked.method == "POST") and token != TOKEN:
            return 401, {"message": "Bad credentials", "status": "401"}, {}
        path = urlsplit(asked.path).path
        prefix = f"/repos/{REPOSITORY}"
        for end, (status, message) in self.status.items():
            if path.endswith(end):
                return status, {"message": message}, self.headers
        if path.lower() == prefix:
            return 200, {"id": 1296269, "full_name": REPOSITORY}, {}
        if not path.lower().startswith(f"{prefix}/"):
            return 404, {"message": "Not Found", "status": "404"}, {}
        return self._within(asked, path[len(prefix) + 1 :])

    def _within(self, asked: Asked, path: str) -> tuple[int, Any, dict[str, str]]:
        if path.startswith("issues") and not self.has_issues:
            return 410, {"message": "Issues has been disabled in this repository."}, {}
        if path.startswith("labels"):
            return self._labels(asked, path)
        match (asked.method, path.split("/")):
            case ("GET", ["issues"]):
                return self._listed(asked)
            case ("POST", ["issues"]):
                return self._create(asked.body)
            case ("GET", ["issues", number]):
                one = self.issue(int(number))
                return (200, shown(one), {}) if one else (404, {"message": "Not Found"}, {})
            case ("GET", ["issues", number, "comments"]):
                return self._paged(asked, self.comments.get(int(number), []))
            case ("POST", ["issues", number, "comments"]):
                self.say(int(number), "us", self.now())
                made = self.comments[int(number)][-1]
                made["body"] = asked.body["body"]
                return 201, made, {}
        return 404, {"message": "Not Found", "status": "404"}, {}

    def _labels(self, asked: Asked, path: str) -> tuple[int, Any, dict[str, str]]:
        if asked.method == "POST":
            return self._label(asked.body)
        found = self.labels.get(unquote(path.partition("/")[2]).lower())
        return (200, found, {}) if found else (404, {"message": "Not Found"}, {})

    def _create(self, body: Any) -> tuple[int, Any, dict[str, str]]:
        problem = _wrong(body)
        if problem is not None:
            return 422, {"message": "Validation Failed", "errors": [problem]}, {}
        labels = body.get("labels", []) if self.may_push else []
        for name in labels:
            self.labels.setdefault(name.lower(), {"name": name, "description": None})
        one = self.open(
            title=body["title"],
            body=body["body"],
            labels=labels,
            user={"login": "us", "type": "User"},
        )
        return 201, shown(one), {}

    def _label(self, body: Any) -> tuple[int, Any, dict[str, str]]:
        if not self.may_push:
            return 403, {"message": "Resource not accessible by personal access token"}, {}
        name = body["name"]
        assert len(name) <= 50
        assert len(body.get("description", "")) <= 100
        if name.lower() in self.labels:
            fault = {"resource": "Label", "code": "already_exists", "field": "name"}
            return 422, {"message": "Validation Failed", "errors": [fault]}, {}
        self.labels[name.lower()] = {"id": 1, **body}
        return 201, self.labels[name.lower()], {}

    def _listed(self, asked: Asked) -> tuple[int, Any, dict[str, str]]:
        named = {key: one[0] for key, one in parse_qs(urlsplit(asked.path).query).items()}
        wanted = {one.lower() for one in named.get("labels", "").split(",") if one}
        state, since = named.get("state", "open"), named.get("since", "")
        found = [
            one
            for one in self.issues
            if wanted <= {label["name"].lower() for label in one["labels"]}
            and state in ("all", one["state"])
            and (not since or max(one["created_at"], one["closed_at"] or "") >= since)
            and one["_at"] + self.lag <= self.now()
        ]
        found.sort(key=lambda one: one["_at"], reverse=named.get("direction", "desc") == "desc")
        return self._paged(asked, [shown(one) for one in found])

    def _paged(self, asked: Asked, found: Sequence[Any]) -> tuple[int, Any, dict[str, str]]:
        parts = urlsplit(asked.path)
        named = {key: one[0] for key, one in parse_qs(parts.query).items()}
        size = min(int(named.get("per_page", "30")), self.per_page)
        page = int(named.get("page", "1"))
        last = max(1, -(-len(found) // size))
        others = [(page - 1, "prev"), (1, "first")] if page > 1 else []
        others += [(page + 1, "next"), (last, "last")] if page < last else []
        links = [
            f'<{self.url}{parts.path}?{urlencode({**named, "page": number})}>; rel="{rel}"'
            for number, rel in others
        ]
        link = ", ".join(links) if self.link is None else self.link
        headers = {"Link": link} if link else {}
        return 200, [*found[(page - 1) * size : page * size]], headers


def shown(one: dict[str, Any]) -> dict[str, Any]:
    """Return an issue as it is answered."""
    return {key: value for key, value in one.items() if not key.startswith("_")}


def stamp(seconds: float) -> str:
    """Return a time as GitHub writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _wrong(body: Any) -> dict[str, str] | None:
    if not isinstance(body, dict) or not body.get("title"):
        return {"resource": "Issue", "code": "missing_field", "field": "title"}
    if len(body["title"]) > 256:
        return {"resource": "Issue", "code": "custom", "message": "title is too long"}
    if len(body.get("body", "")) > 65_536:
        return {"resource": "Issue", "code": "custom", "message": "body is too long"}
    return None


_LIMITS: dict[str, tuple[int, str, dict[str, str]]] = {
    "primary": (
        403,
        "API rate limit exceeded for user ID 1.",
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "{reset}"},
    ),
    "secondary": (403, "You have exceeded a secondary rate limit.", {"Retry-After": "60"}),
    "429": (429, "Too Many Requests", {"Retry-After": "2"}),
}


class _Server(ThreadingHTTPServer):
    github: GitHubServer
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Whoever asked has gone: that is a test's business."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 20

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        github = self.server.github
        size = int(self.headers.get("content-length", 0))
        content = self.rfile.read(size)
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, json.loads(content) if content else None)
        github.asked.append(asked)
        fault = github.fault(asked, len(github.asked)) or ""
        if fault and not fault.startswith("done"):
            self._fail(fault)
            return
        status, body, more = github.answer(asked)
        if fault in TLS:
            with socket.socket(fileno=os.dup(self.connection.fileno())) as beneath:
                beneath.sendall(TLS[fault])
            self.close_connection = True
            return
        if fault:
            self._fail(fault.removeprefix("done "))
            return
        self._send(status, json.dumps(body).encode(), more)

    def _fail(self, fault: str) -> None:
        github = self.server.github
        reset = str(int(github.now()) + 900)
        if fault in _LIMITS:
            status, message, limits = _LIMITS[fault]
            told = json.dumps({"message": message}).encode()
            self._send(
                status, told, {name: text.format(reset=reset) for name, text in limits.items()}
            )
        elif fault == "half":
            self.wfile.write(b'HTTP/1.1 201 Created\r\nContent-Length: 5000\r\n\r\n{"num')
        elif fault == "garbage":
            self._send(200, GARBAGE, {})
        elif fault.isdigit():
            self._send(int(fault), b"<html>Unicorn!</html>", {})
        else:
            assert fault in ("slow", "cut")
            if fault == "slow":
                github.hold.wait(github.seconds)
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(2)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        github = self.server.github
        self.send_response_only(status)
        self.send_header("Date", email.utils.formatdate(github.now(), usegmt=True))
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in {"X-RateLimit-Remaining": "4999", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

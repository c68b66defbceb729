"""GitHub's REST API for tests: issues and comments as documented, and every way to fail.

As documented at docs.github.com, "REST API endpoints for issues", "Rate limits for the REST API",
"Best practices": statuses, bodies and headers. Lists may lag behind, as they do there. `GitHub` is
called in this process, in place of PyGithub; `GitHubServer` speaks HTTP.
"""

import email.utils
import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import pytest

from pytest_flowhealth.probes.github.client import GitHubClient, GitHubError, Response
from tests.kit.clock import FakeClock
from tests.kit.http import HttpServer, Reply, Request

TOKEN = "github_pat_planted_0123456789abcdef"
REPOSITORY = "acme/shop"
GARBAGE = b"\x00\xff<html>it is not you, it is us"

BEFORE = ("500", "503", "cut", "half", "garbage", "primary", "secondary", "429", "slow")
"""Faults where nothing was done."""

AFTER = ("done 502", "done cut", "done half", "done garbage", "done slow")
"""Faults of the answer to what was done."""

Fault = Callable[[Request, int], str | None]
"""Returns the fault of a request, given its number from 1; None for none."""


class GitHub:
    """``github = GitHub(clock.now)`` and ``github.client()``: no connection is opened.

    Args:
        now: Its time, in seconds since 1970.
        lag: Seconds until what was made is in lists.

    Attributes:
        requests: The requests that came, in order.
        fault: How it fails.
        link: What a proxy makes of the Link header; None leaves it as it is.
        page_size: The largest page of a list.
        status: The status and the message of every answer to a path that ends so.
        headers: The headers of these answers.
        name: The repository's current name.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        lag: float = 0.0,
    ) -> None:
        self.now = now
        self.lag = lag
        self.name = REPOSITORY
        self.issues: list[dict[str, Any]] = []
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.requests: list[Request] = []
        self.link: str | None = None
        self.page_size = 100
        self.status: dict[str, tuple[int, str]] = {}
        self.headers: dict[str, str] = {}
        self.fault: Fault = lambda *_: None
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    @property
    def url(self) -> str:
        """The API's address."""
        return "https://api.github.example"

    def client(self, token: str | None = TOKEN, repository: str = REPOSITORY) -> GitHubClient:
        """Return a client that calls this object instead of PyGithub."""
        return InProcessClient(self, repository, token)

    def exchange(self, request: Request) -> Response:
        """Answer, or raise what the client makes of a broken connection."""
        fault, reply = self._reply(request)
        if fault in ("slow", "cut", "half"):
            raise GitHubError("GitHub gives no answer: the connection broke")
        headers = {name.lower(): text for name, text in reply.headers.items()}
        return Response(reply.status, headers, reply.body.decode("utf-8", "replace"))

    def _reply(self, request: Request) -> tuple[str, Reply]:
        """Record a request; return a fault of the connection, or an answer."""
        self.requests.append(request)
        fault = self.fault(request, len(self.requests)) or ""
        if fault and not fault.startswith("done "):
            return fault, self._failure(fault)
        with self._lock:
            status, body, headers = self._answer(request)
        if fault:
            return fault[5:], self._failure(fault[5:])
        date = email.utils.formatdate(self.now(), usegmt=True)
        named = {"Date": date, **_REMAINING, **headers}
        return "", Reply.of_json(body, status)._replace(headers=named)

    def _failure(self, fault: str) -> Reply:
        if fault in _LIMITS:
            status, message, headers = _LIMITS[fault]
            reset = {"X-RateLimit-Reset": str(int(time.time()) + 900)}
            return Reply.of_json({"message": message}, status)._replace(headers=headers | reset)
        if fault == "garbage":
            return Reply(GARBAGE)
        return Reply(b"<html>Unicorn!</html>", int(fault)) if fault.isdigit() else Reply()

    def about(self, fingerprint: str) -> list[dict[str, Any]]:
        """Return the issues of a fingerprint."""
        begin = f"<!-- flowhealth:{fingerprint} -->"
        return [issue for issue in self.issues if (issue["body"] or "").startswith(begin)]

    def open_issues(self, fingerprint: str) -> list[int]:
        """Return the numbers of the open issues of a fingerprint."""
        return [each["number"] for each in self.about(fingerprint) if each["state"] == "open"]

    def posts(self, end: str) -> list[Request]:
        """Return the requests to make something."""
        return [each for each in self.requests if each.method == "POST" and each.path.endswith(end)]

    def open(self, **named: Any) -> dict[str, Any]:
        """Open an issue, or a pull request, by somebody else."""
        at, number = named.pop("created", self.now()), next(self._numbers)
        labels = [{"id": 1, "name": name} for name in named.pop("labels", ())]
        issue = {
            "number": number,
            "title": "something",
            "body": None,
            "state": "open",
            "state_reason": None,
            "created_at": stamp(at),
            "closed_at": None,
            "locked": False,
            "comments": 0,
            "user": {"login": "somebody", "type": "User"},
            "labels": labels,
            "html_url": f"{self.url}/{REPOSITORY}/issues/{number}",
            "_at": at,
            **named,
        }
        self.issues.append(issue)
        return issue

    def close(self, number: int, reason: str = "completed", at: float | None = None) -> None:
        """Close an issue."""
        closed = {"state": "closed", "state_reason": reason, "closed_at": stamp(at or self.now())}
        self.issues[number - 1].update(closed)

    def say(self, number: int, login: str, at: float, kind: str = "User", body: str = "Hm.") -> Any:
        """Comment on an issue; return the comment."""
        found = self.comments.setdefault(number, [])
        user = {"login": login, "type": kind}
        found.append({"id": len(found) + 1, "created_at": stamp(at), "user": user, "body": body})
        self.issues[number - 1]["comments"] = len(found)
        return found[-1]

    def _answer(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        # "Bearer" and "token" mean the same (docs.github.com, "Authenticating to the REST API").
        token = request.headers.get("authorization", "").partition(" ")[2]
        if (token or request.method != "GET") and token != TOKEN:
            return 401, {"message": "Bad credentials", "status": "401"}, {}
        for end, (status, message) in self.status.items():
            if request.path.endswith(end):
                return status, {"message": message}, self.headers
        prefix = f"/repos/{self.name}"
        if request.path == prefix:
            return 200, {"id": 1296269, "full_name": self.name}, {}
        parts = request.path.removeprefix(f"{prefix}/").split("/")
        answer = self._change if request.method in ("POST", "PATCH") else self._read
        return answer(request, parts)

    def _read(self, request: Request, parts: list[str]) -> tuple[int, Any, dict[str, str]]:
        match parts:
            case ["issues"]:
                return self._listed(request)
            case ["issues", number]:
                found = [issue for issue in self.issues if issue["number"] == int(number)]
                return (200, found[0], {}) if found else _ABSENT
            case ["issues", number, "comments"]:
                return self._paged(request, self.comments.get(int(number), []))
        return _ABSENT

    def _change(self, request: Request, parts: list[str]) -> tuple[int, Any, dict[str, str]]:
        body = request.json
        match request.method, parts:
            case "POST", ["issues"]:
                return self._create(body)
            case "PATCH", ["issues", number]:
                assert body["state"] == "closed"
                assert body["state_reason"] in ("completed", "not_planned")
                self.close(int(number), body["state_reason"])
                return 200, self.issues[int(number) - 1], {}
            case "POST", ["issues", number, "comments"]:
                return 201, self.say(int(number), "us", self.now(), body=body["body"]), {}
        return _ABSENT

    def _create(self, body: Any) -> tuple[int, Any, dict[str, str]]:
        if not body.get("title") or len(body["title"]) > 256 or len(body.get("body", "")) > 65_536:
            problem = {"resource": "Issue", "code": "custom", "field": "title"}
            return 422, {"message": "Validation Failed", "errors": [problem]}, {}
        user = {"login": "us", "type": "User"}
        labels = body.get("labels", [])
        return 201, self.open(title=body["title"], body=body["body"], labels=labels, user=user), {}

    def _listed(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        named = request.query
        wanted = {label.lower() for label in named.get("labels", "").split(",") if label}
        state, since = named.get("state", "open"), named.get("since", "")
        found = [
            issue
            for issue in self.issues
            if wanted <= {label["name"].lower() for label in issue["labels"]}
            and state in ("all", issue["state"])
            and (not since or max(issue["created_at"], issue["closed_at"] or "") >= since)
            and issue["_at"] + self.lag <= self.now()
        ]
        found.sort(key=lambda issue: issue["_at"], reverse=named.get("direction") != "asc")
        return self._paged(request, found)

    def _paged(self, request: Request, found: Sequence[Any]) -> tuple[int, Any, dict[str, str]]:
        parts = urlsplit(request.target)
        named = request.query
        size = min(self.page_size, int(named.get("per_page", "30")))
        page = int(named.get("page", "1"))
        last = max(1, -(-len(found) // size))
        pages = {"prev": page - 1, "next": page + 1, "last": last}
        links = [
            f'<{self.url}{parts.path}?{urlencode({**named, "page": number})}>; rel="{rel}"'
            for rel, number in pages.items()
            if 1 <= number <= last and number != page
        ]
        link = ", ".join(links) if self.link is None else self.link
        headers = {"Link": link} if link else {}
        return 200, [*found[(page - 1) * size : page * size]], headers


def stamp(seconds: float) -> str:
    """Return a time as GitHub writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_ABSENT: tuple[int, Any, dict[str, str]] = (404, {"message": "Not Found", "status": "404"}, {})
_REMAINING = {"X-RateLimit-Remaining": "4999"}
_LIMITS: dict[str, tuple[int, str, dict[str, str]]] = {
    "primary": (403, "API rate limit exceeded.", {"X-RateLimit-Remaining": "0"}),
    "secondary": (403, "You have exceeded a secondary rate limit.", {"Retry-After": "60"}),
    "429": (429, "Too Many Requests", {"Retry-After": "2"}),
}


class InProcessClient(GitHubClient):
    """A client whose requests a `GitHub` answers."""

    def __init__(self, github: GitHub, repository: str, token: str | None) -> None:
        super().__init__(repository, token, api=github.url)
        self._github = github

    def _exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Mapping[str, Any] | None,
    ) -> Response:
        headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
        target = f"{path}?{urlencode(query)}" if query else path
        return self._github.exchange(Request(method, target, headers, json.dumps(body).encode()))


class GitHubServer(GitHub):
    """``with GitHubServer() as github: github.client()``.

    Attributes:
        hold: Set, requests with the fault "slow" end.
    """

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.hold = threading.Event()
        self._server = HttpServer(self._respond)

    @property
    def url(self) -> str:
        """The API's address."""
        return self._server.url

    def client(
        self, token: str | None = TOKEN, repository: str = REPOSITORY, seconds: float = 60.0
    ) -> GitHubClient:
        """Return a client that asks here, without a pause between writes."""
        return GitHubClient(repository, token, api=self.url, seconds=seconds, write_pause=0)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.hold.set()
        self._server.__exit__()

    def _respond(self, request: Request) -> Reply:
        fault, reply = self._reply(request)
        if fault == "slow":
            self.hold.wait()
        if fault in ("slow", "cut"):
            return Reply(fault="close")
        return Reply(b'{"num', 201, fault="cut") if fault == "half" else reply


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def github(clock: FakeClock) -> GitHub:
    """GitHub in this process, by a clock that only waiting moves."""
    return GitHub(clock.now)

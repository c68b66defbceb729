"""The web page's application in this process: a prepared report and history, and a clock to move."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec
from argon2 import PasswordHasher

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.history.location import HistoryLocation
from pytest_flowhealth.history.recording import open_history
from pytest_flowhealth.history.run_record import make_run_record
from pytest_flowhealth.history.store import Retention, add_run
from pytest_flowhealth.install_reports.batch_writer import BatchWriter
from pytest_flowhealth.monitor.history_writer import HistoryWriter
from pytest_flowhealth.monitor.observer import MonitorEvent
from pytest_flowhealth.monitor.ring_buffer import Ring
from pytest_flowhealth.web.api import Api
from pytest_flowhealth.web.app import make_application
from pytest_flowhealth.web.authenticator import Authenticator
from pytest_flowhealth.web.delta_log import DeltaLog
from pytest_flowhealth.web.history_queries import HistoryQueries
from pytest_flowhealth.web.live import Live
from pytest_flowhealth.web.login_api import LoginApi
from pytest_flowhealth.web.login_throttle import LoginThrottle
from pytest_flowhealth.web.monitor_snapshot import MonitorSnapshot
from pytest_flowhealth.web.public import Public
from pytest_flowhealth.web.reports import Reports
from pytest_flowhealth.web.routes import list_endpoints
from pytest_flowhealth.web.sessions import Sessions
from pytest_flowhealth.web.settings import Secrets, make_access
from tests.kit.clock import FakeClock
from tests.kit.reports import HEALTHY

PASSWORD = "correct horse"
ORIGIN = "http://127.0.0.1:3001"


@cache
def cheap_hash(password: str = PASSWORD) -> str:
    """Return an argon2 hash that takes no time to compare."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


def with_admin(config: str) -> str:
    """Return a configuration with the user `admin`, unless it has a table [web] of its own."""
    users = f'[web]\nusers = {{ admin = "{cheap_hash()}" }}\n'
    return config if "[web]" in config else users + config


def token_table(**scopes: str) -> str:
    """Return the configuration of tokens that are their own names, with one scope each."""
    lines = [
        f'{name} = {{ sha256 = "{hashlib.sha256(name.encode()).hexdigest()}", scopes = ["{scope}"] }}'
        for name, scope in scopes.items()
    ]
    return "\n".join(["[web.tokens]", *lines, ""])


class WebApp:
    """The application as a monitor serves it.

    Args:
        folder: The target's folder, which may be empty.
        config: The text of its flowhealth.toml.
        token: The token of the environment.
        key: The key of contexts from the environment.

    Attributes:
        clock: That of sessions and attempts; `clock.waited` are the delays of attempts.
        remarks: What the monitor would write to its console.
        links: The one-time links' secrets, in order.
    """

    def __init__(
        self, folder: Path, config: str = "", token: str | None = None, key: str | None = None
    ) -> None:
        (folder / "kept").mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"name": "shop", "version": "1.0.0"}')
        (folder / "flowhealth.toml").write_text(config)
        self.target: Target = load_target(None, {}, folder)
        self.history = folder / "kept/history.db"
        self.clock = FakeClock()
        self.remarks: list[MonitorEvent] = []
        self.links: list[str] = []
        self.feed = DeltaLog()
        self._secrets = Secrets(token=token)
        access = make_access(self.target.config.web, self._secrets)
        sessions = Sessions(folder / "web-sessions.json", self.clock.now)
        sessions.admit(access.users, None)
        self.authenticator = Authenticator(sessions, access)
        self._writer = HistoryWriter(self.history, Retention())
        past = HistoryQueries(HistoryLocation(self.history), self._writer, Ring(), self.target)
        self._login_api = LoginApi(
            self.authenticator, LoginThrottle(self.clock.now), self.remarks.append, self._sleep
        )
        self.api = Api(
            self.feed, MonitorSnapshot("shop", "host-a", "host-a:shop"), past, self.remarks.append
        )
        self.reports = Reports(
            self.authenticator,
            past,
            BatchWriter(self._writer.change),
            self.target,
            key=key,
            record_event=self.remarks.append,
        )
        self.reports.look()
        public = Public(self.authenticator, self.api.verdict, past)
        self.api.endpoints = list_endpoints(self.api, self._login_api, self.reports, public)
        self.asgi: Any = make_application(
            self.api.endpoints, self.authenticator, Live(self.feed), self._login_api, self.new_link
        )
        self.runner = asyncio.Runner()
        self.new_link()

    def new_link(self) -> None:
        """Make a new one-time link, where there are no users."""
        secret = self._login_api.new_link()
        self.links += [] if secret is None else [secret]

    def change_users(self, **users: str) -> None:
        """Go by other users, as after a reload of the configuration."""
        web = msgspec.structs.replace(self.target.config.web, users=users)
        self.authenticator.access = make_access(web, self._secrets)
        self.authenticator.sessions.admit(self.authenticator.access.users, None)
        self.new_link()

    def show(self, health: Report = HEALTHY, **seen: Any) -> None:
        """Let the last round have ended with a report; `seen` are other fields of `MonitorSnapshot`."""
        self.api.snapshot = MonitorSnapshot(
            "shop", "host-a", "host-a:shop", health=health, at=time.time(), **seen
        )
        status = msgspec.json.encode({"status": health.status, "reasons": []})
        self.feed.take({"monitor": msgspec.Raw(status)}, time.time())

    def keep(self, health: Report) -> None:
        """Write a report into the history."""
        with open_history(self.history, 3.0) as file:
            add_run(file, make_run_record(health, b"{}", {}, "f", f"run-{time.monotonic_ns()}"))

    def visitor(self, address: str = "127.0.0.1", token: str = "") -> WebVisitor:
        """Return a browser that nobody has logged in with; or a program with a token."""
        return WebVisitor(self, address, token)

    def admin(self) -> WebVisitor:
        """Return a browser that the administrator has logged in with."""
        visitor = self.visitor()
        assert visitor.log_in().status == 200
        return visitor

    def noted(self, what: str) -> list[dict[str, Any]]:
        """Return the facts of the remarks of a kind."""
        return [dict(remark.facts) for remark in self.remarks if remark.what == what]

    def rows(self, question: str) -> list[Any]:
        """Ask the history."""
        with closing(sqlite3.connect(self.history)) as file:
            return file.execute(question).fetchall()

    def close(self) -> None:
        """End."""
        self.runner.close()
        self._writer.close()

    async def _sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)


class Response(NamedTuple):
    """What the application answered; `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body, decoded."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body, decoded from JSON."""
        return json.loads(self.body)


class WebVisitor:
    """A browser, with cookies, or another client of the application: no socket and no server.

    Attributes:
        cookies: The cookies that the application has set.
        headers: Sent with each request.
    """

    def __init__(self, app: WebApp, address: str, token: str) -> None:
        self._app, self._address = app, address
        self.cookies: dict[str, str] = {}
        self.headers = {"authorization": f"Bearer {token}"} if token else {}

    def log_in(self, password: str = PASSWORD, user: str = "admin", **headers: str) -> Response:
        """Log in by a password."""
        response = self.change("/api/login", {"user": user, "password": password}, **headers)
        if response.status == 200:
            self.headers["x-csrf-token"] = response.json["csrf"]
        return response

    def request(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        """Send a request and return the response."""
        return self._app.runner.run(self._request(method, target, body, headers or {}))

    def get(self, target: str, **headers: str) -> Response:
        """Send a GET request; ``_`` in a header's name stands for ``-``."""
        return self.request("GET", target, headers=_named(headers))

    def change(
        self, target: str, content: object = None, method: str = "POST", **headers: str
    ) -> Response:
        """Send JSON as the page's own scripts do; an empty header is left out."""
        usual = {"origin": ORIGIN, "content-type": "application/json"}
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.request(method, target, body, {**usual, **_named(headers)})

    def listen(self, target: str, count: int = 1, **headers: str) -> tuple[int, list[Any]]:
        """Open a WebSocket and return its status (101: accepted) with the first `count` messages."""
        return self._app.runner.run(self._listen(target, count, _named(headers)))

    async def _request(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str]
    ) -> Response:
        parts = [{"type": "http.request", "body": body}]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return parts.pop() if parts else await asyncio.Future()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app.asgi(self._scope("http", target, headers, method=method), receive, send)
        found = [(name.decode(), text.decode()) for name, text in sent[0]["headers"]]
        for name, text in found:
            if name == "set-cookie":
                self.cookies |= {key: part.value for key, part in SimpleCookie(text).items()}
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return Response(sent[0]["status"], dict(found), content)

    async def _listen(
        self, target: str, count: int, headers: Mapping[str, str]
    ) -> tuple[int, list[Any]]:
        incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        incoming.put_nowait({"type": "websocket.connect"})
        status, received = 0, []

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "websocket.accept":
                status = 101
            elif message["type"] == "websocket.http.response.start":
                status = message["status"]
            elif message["type"] == "websocket.send":
                received.append(json.loads(message["text"]))
            if len(received) >= count:
                incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})

        scope = self._scope("websocket", target, headers, state={}, subprotocols=[])
        await self._app.asgi(scope, incoming.get, send)
        return status, received

    def _scope(
        self, kind: str, target: str, headers: Mapping[str, str], **more: object
    ) -> dict[str, Any]:
        path, _, query = target.partition("?")
        sent = {"host": "127.0.0.1:3001", **self.headers, **headers}
        if self.cookies and "cookie" not in sent:
            sent["cookie"] = "; ".join(f"{name}={text}" for name, text in self.cookies.items())
        return {
            "type": kind,
            "http_version": "1.1",
            "scheme": "ws" if kind == "websocket" else "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), text.encode()) for name, text in sent.items() if text],
            "client": (self._address, 50_000),
            "server": ("127.0.0.1", 3001),
            "extensions": {"websocket.http.response": {}},
            **more,
        }


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower().replace("_", "-"): text for name, text in headers.items()}


@contextmanager
def web_app(folder: Path, config: str = "", **secrets: str) -> Iterator[WebApp]:
    """Make an application; `config` is as for `with_admin`, `secrets` are as for `WebApp`."""
    app = WebApp(folder, with_admin(config), **secrets)
    try:
        yield app
    finally:
        app.close()

"""The web page's application in this process: a prepared report and history, and a clock to move."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from argon2 import PasswordHasher

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.feedback.reports.intake import Intake
from pytest_flowhealth.history.entry import entry_of
from pytest_flowhealth.history.keeping import opened
from pytest_flowhealth.history.place import Place
from pytest_flowhealth.history.store import add_run
from pytest_flowhealth.monitor.ring import Ring
from pytest_flowhealth.monitor.view import Remark
from pytest_flowhealth.web.api import Api
from pytest_flowhealth.web.app import application
from pytest_flowhealth.web.attempts import Attempts
from pytest_flowhealth.web.endpoint import endpoints_of
from pytest_flowhealth.web.entrance import Entrance
from pytest_flowhealth.web.feed import Feed
from pytest_flowhealth.web.glimpse import Glimpse
from pytest_flowhealth.web.live import Live
from pytest_flowhealth.web.past import Past
from pytest_flowhealth.web.reports import Reports
from pytest_flowhealth.web.sessions import Sessions
from pytest_flowhealth.web.settings import Secrets, access_of
from pytest_flowhealth.web.visitors import Visitors
from tests.kit.asgi import AsgiClient, Response
from tests.kit.clock import FakeClock
from tests.kit.reports import HEALTHY

PASSWORD = "correct horse"


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

    Attributes:
        clock: That of sessions and attempts; `clock.waited` are the delays of attempts.
        remarks: What the monitor would write to its console.
        links: The one-time links' secrets, in order.
    """

    def __init__(self, folder: Path, config: str = "", token: str | None = None) -> None:
        (folder / "kept").mkdir(parents=True)
        (folder / "package.json").write_text('{"name": "shop", "version": "1.0.0"}')
        (folder / "flowhealth.toml").write_text(config)
        self.target: Target = load_target(None, {}, folder)
        self.history = folder / "kept/history.db"
        self.clock = FakeClock()
        self.remarks: list[Remark] = []
        self.links: list[str] = []
        self.feed = Feed()
        self._secrets = Secrets(token=token)
        access = access_of(self.target.config.web, self._secrets)
        sessions = Sessions(folder / "web-sessions.json", self.clock.now)
        sessions.admit(access.users, None)
        self.visitors = Visitors(sessions, access)
        past = Past(Place(self.history), Ring(), self.target)
        self._entrance = Entrance(
            self.visitors, Attempts(self.clock.now), self.remarks.append, self._sleep
        )
        self.api = Api(self.feed, Glimpse("shop", "host-a"), past, self.remarks.append)
        self._intake = Intake(self.history)
        reports = Reports(
            self.visitors, past, self._intake, self.target, key=None, remark=self.remarks.append
        )
        self.api.endpoints = endpoints_of(self.api, self._entrance, reports)
        self._app = application(
            self.api.endpoints, self.visitors, Live(self.feed), self._entrance, self.new_link
        )
        self._runner = asyncio.Runner()
        self.new_link()

    def new_link(self) -> None:
        """Make a new one-time link, where there are no users."""
        secret = self._entrance.new_link()
        self.links += [] if secret is None else [secret]

    def change_users(self, **users: str) -> None:
        """Go by other users, as after a reload of the configuration."""
        web = msgspec.structs.replace(self.target.config.web, users=users)
        self.visitors.access = access_of(web, self._secrets)
        self.visitors.sessions.admit(self.visitors.access.users, None)
        self.new_link()

    def show(self, health: Report = HEALTHY, **seen: Any) -> None:
        """Let the last round have ended with a report; `seen` are other fields of `Glimpse`."""
        self.api.glimpse = Glimpse("shop", "host-a", health=health, at=time.time(), **seen)
        status = msgspec.json.encode({"status": health.status, "reasons": []})
        self.feed.take({"monitor": msgspec.Raw(status)}, time.time())

    def keep(self, health: Report) -> None:
        """Write a report into the history."""
        with opened(self.history, 3.0) as file:
            add_run(file, entry_of(health, b"{}", {}, "f", f"run-{time.monotonic_ns()}"))

    def visitor(self, address: str = "127.0.0.1", **settings: str) -> WebVisitor:
        """Return a browser that nobody has logged in with."""
        return WebVisitor(self._app, self._runner, address, **settings)

    def admin(self) -> WebVisitor:
        """Return a browser that the administrator has logged in with."""
        visitor = self.visitor()
        assert visitor.log_in().status == 200
        return visitor

    def noted(self, what: str) -> list[dict[str, Any]]:
        """Return the facts of the remarks of a kind."""
        return [dict(remark.facts) for remark in self.remarks if remark.what == what]

    def close(self) -> None:
        """End."""
        self._runner.close()
        self._intake.close()

    async def _sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)


class WebVisitor(AsgiClient):
    """A browser that can log in."""

    def log_in(self, password: str = PASSWORD, user: str = "admin", **headers: str) -> Response:
        """Log in by a password."""
        response = self.change("/api/login", {"user": user, "password": password}, **headers)
        if response.status == 200:
            self.headers["x-csrf-token"] = response.json["csrf"]
        return response


@contextmanager
def web_app(folder: Path, config: str = "", token: str | None = None) -> Iterator[WebApp]:
    """Make an application; `config` is as for `with_admin`."""
    app = WebApp(folder, with_admin(config), token)
    try:
        yield app
    finally:
        app.close()

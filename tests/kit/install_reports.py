"""Receivers of install reports, in-process and as a real monitor, and who hands reports in."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.feedback.reports.intake import Intake
from pytest_flowhealth.history.database import connect
from pytest_flowhealth.history.place import Place
from pytest_flowhealth.monitor.ring import Ring
from pytest_flowhealth.monitor.view import Remark
from pytest_flowhealth.web.app import application
from pytest_flowhealth.web.endpoint import endpoints_of
from pytest_flowhealth.web.past import Past
from pytest_flowhealth.web.reports import Reports
from pytest_flowhealth.web.sessions import Sessions
from pytest_flowhealth.web.settings import Secrets, access_of
from pytest_flowhealth.web.visitors import Visitors
from tests.kit.asgi import AsgiClient, Response
from tests.kit.site import Site, Visitor, site

TOKEN = "reporter"
TOKENS = f"""
[web.tokens]
reporter = {{ sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}", scopes = ["report"] }}
reader = {{ sha256 = "{hashlib.sha256(b"reader").hexdigest()}", scopes = ["read"] }}
"""
OPEN = '[feedback]\nreceive = "open"\nper_minute = 10_000\n'


def report(**changes: Any) -> dict[str, Any]:
    """Return a report of a failure."""
    return {
        "schema": "flowhealth-install/1",
        "package": "shop",
        "version": "1.0.0",
        "node": "20.11.1",
        "npm": "10.2.4",
        "os": "linux",
        "arch": "x64",
        "step": "install",
        "outcome": "failure",
        "error": "package.node_modules: node_modules is not there",
        "context": "fail package.node_modules: node_modules is not there",
    } | changes


def encoded(content: object) -> bytes:
    """Return bytes as they are, anything else as JSON."""
    return content if isinstance(content, bytes) else msgspec.json.encode(content)


class ReportPage:
    """The part of a monitor's page that receives reports, without a monitor and without a socket.

    Args:
        folder: The project's folder, which is made.
        settings: Its flowhealth.toml.
        key: The key of contexts from the environment.

    Attributes:
        remarks: What the page told its monitor.
    """

    def __init__(self, folder: Path, settings: str = OPEN + TOKENS, key: str | None = None) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "package.json").write_text('{"name": "shop", "version": "1.0.0"}')
        (folder / "flowhealth.toml").write_text(settings)
        target = load_target(folder, {}, folder)
        place = Place(folder / "history.db")
        self.history = place.path
        connect(place.path, wait=5.0).close()
        self.remarks: list[Remark] = []
        self._visitors = Visitors(
            Sessions(folder / "sessions.json", time.time),
            access_of(target.config.web, Secrets()),
        )
        self._visitors.sessions.admit({"admin": "hash"}, None)
        self._intake = Intake(place.path)
        self.reports = Reports(
            self._visitors,
            Past(place, Ring(), target),
            self._intake,
            target,
            key=key,
            remark=self.remarks.append,
        )
        self.reports.look()
        unused: Any = None
        self._app = application(
            endpoints_of(self.reports), self._visitors, unused, unused, lambda: None
        )
        self._runner = asyncio.Runner()

    def close(self) -> None:
        """End the thread that writes."""
        self._intake.close()
        self._runner.close()

    def log_in(self) -> dict[str, str]:
        """Return the headers of a session."""
        name, _ = self._visitors.sessions.begin("admin", 3_600.0, "a")
        return {"cookie": f"flowhealth-80={name}"}

    def hand_in(
        self,
        content: object,
        token: str | None = None,
        address: str = "203.0.113.7",
        **headers: str,
    ) -> Response:
        """Hand in a report, or bytes."""
        named = _named(token, headers)
        return self.ask("POST", "/api/reports", encoded(content), named, address)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        address: str = "203.0.113.7",
    ) -> Response:
        """Send a request."""
        client = AsgiClient(self._app, self._runner, address, "http://localhost:80")
        named = {"content-length": str(len(body)), **(headers or {})}
        return client.request(method, path, body, named)

    def rows(self, question: str) -> list[Any]:
        """Ask the history."""
        with contextlib.closing(sqlite3.connect(self.history)) as file:
            return file.execute(question).fetchall()


class Sender(Visitor):
    """Who hands in reports to a real monitor, from an address of this machine's loopback network."""

    def hand_in(self, content: object, token: str | None = None, **headers: str) -> Any:
        """Hand in a report, or bytes."""
        address, named = f"{self.site.url}api/reports", _named(token, headers)
        return self.session.post(address, data=encoded(content), headers=named, timeout=60)

    def erase(self, name: str) -> int:
        """Have a report erased; return the answer's status."""
        address = f"{self.site.url}api/reports/{name}"
        return int(self.session.delete(address, timeout=30).status_code)


def _named(token: str | None, headers: Mapping[str, str]) -> dict[str, str]:
    named = {"content-type": "application/json"}
    named |= {} if token is None else {"authorization": f"Bearer {token}"}
    return named | {name.replace("_", "-").lower(): text for name, text in headers.items()}


@contextlib.contextmanager
def receiving(folder: Path, more: str = TOKENS) -> Iterator[Site]:
    """Start a monitor that receives reports."""
    with site(folder, more) as found:
        found.start(interval="30s")
        yield found


def count(path: Path) -> int:
    """Return how many reports a history has."""
    with contextlib.closing(sqlite3.connect(path)) as file:
        return int(file.execute("SELECT count(*) FROM reports").fetchone()[0])


def found_in(folder: Path, *texts: str) -> list[tuple[str, str]]:
    """Return which texts are in which files below a folder, in whatever case."""
    found = []
    for path in filter(Path.is_file, folder.rglob("*")):
        content = path.read_bytes().lower()
        found += [(path.name, text) for text in texts if text.lower().encode() in content]
    return found

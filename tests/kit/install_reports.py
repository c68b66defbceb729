"""Receivers of install reports, in-process and as a real monitor, and who hands reports in."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

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


class Answer(NamedTuple):
    """An answer of the page in-process; `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


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
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        """End the thread that writes."""
        self._intake.close()
        self._loop.close()

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
    ) -> Answer:
        """Hand in a report, or bytes."""
        named = {"content-type": "application/json"}
        named |= {} if token is None else {"authorization": f"Bearer {token}"}
        named |= {name.replace("_", "-").lower(): text for name, text in headers.items()}
        return self.ask("POST", "/api/reports", encoded(content), named, address)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        address: str = "203.0.113.7",
    ) -> Answer:
        """Send a request (ASGI 3.0, "HTTP connection scope")."""
        named = {"content-length": str(len(body)), **(headers or {})}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), text.encode()) for name, text in named.items()],
            "client": (address, 1),
            "server": ("localhost", 80),
        }
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        self._loop.run_until_complete(self._app(scope, receive, send))
        found = {name.decode(): text.decode() for name, text in sent[0]["headers"]}
        return Answer(sent[0]["status"], found, b"".join(part["body"] for part in sent[1:]))

    def rows(self, question: str) -> list[Any]:
        """Ask the history."""
        return rows(self.history, question)


class Sender(Visitor):
    """Who hands in reports to a real monitor, from an address of this machine's loopback network."""

    def hand_in(self, content: object, token: str | None = None, **headers: str) -> Any:
        """Hand in a report, or bytes."""
        sent = {"Content-Type": "application/json"}
        sent |= {} if token is None else {"Authorization": f"Bearer {token}"}
        sent |= {name.replace("_", "-"): text for name, text in headers.items()}
        address = f"{self.site.url}api/reports"
        return self.session.post(address, data=encoded(content), headers=sent, timeout=60)

    def erase(self, name: str) -> int:
        """Have a report erased; return the answer's status."""
        address = f"{self.site.url}api/reports/{name}"
        return int(self.session.delete(address, timeout=30).status_code)


@contextlib.contextmanager
def receiving(folder: Path, more: str = TOKENS, **env: str) -> Iterator[Site]:
    """Start a monitor that receives reports."""
    with site(folder, more, **env) as found:
        found.start(interval="30s")
        yield found


def rows(path: Path, question: str) -> list[Any]:
    """Ask a history."""
    with contextlib.closing(sqlite3.connect(path)) as file:
        return file.execute(question).fetchall()


def count(path: Path) -> int:
    """Return how many reports a history has."""
    return int(rows(path, "SELECT count(*) FROM reports")[0][0])


def found_in(folder: Path, *texts: str) -> list[tuple[str, str]]:
    """Return which texts are in which files below a folder, in whatever case."""
    wanted = [(text, text.lower().encode()) for text in texts]
    contents = [
        (path.name, path.read_bytes().lower()) for path in folder.rglob("*") if path.is_file()
    ]
    return [(name, text) for name, content in contents for text, raw in wanted if raw in content]

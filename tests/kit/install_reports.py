"""A real monitor that receives reports, and who hands them in."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import requests

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


class Sender(Visitor):
    """Who hands in reports from an address of this machine's loopback network."""

    def hand_in(self, content: object, token: str | None = None, **headers: str) -> Any:
        """Hand in a report, or bytes."""
        sent = {"Content-Type": "application/json"}
        sent |= {} if token is None else {"Authorization": f"Bearer {token}"}
        sent |= {name.replace("_", "-"): text for name, text in headers.items()}
        body = content if isinstance(content, bytes) else msgspec.json.encode(content)
        return self.session.post(f"{self.site.url}api/reports", data=body, headers=sent, timeout=60)

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


def count(there: Site) -> int:
    """Return how many reports are kept."""
    with contextlib.closing(sqlite3.connect(there.monitor.history)) as file:
        return int(file.execute("SELECT count(*) FROM reports").fetchone()[0])


def written(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield every file that was written below a folder, with its bytes."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


def found_in(folder: Path, *texts: str) -> list[tuple[str, str]]:
    """Return which texts are in which files, in whatever case."""
    wanted = [(one, one.lower().encode()) for one in texts]
    return [
        (path.name, text)
        for path, content in written(folder)
        for text, bytes_ in wanted
        if bytes_ in content.lower()
    ]


__all__ = [
    "OPEN",
    "TOKEN",
    "TOKENS",
    "Sender",
    "count",
    "found_in",
    "receiving",
    "report",
    "requests",
]

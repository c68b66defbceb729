"""Receivers of install reports, in-process and as a real monitor, and who hands reports in."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

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

"""A real monitor with its page, and somebody who asks it."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from tests.kit.monitor import Monitor, project
from tests.kit.webhook import receiving

PASSWORD = "correct horse"
OWN = """
import pytest
from pathlib import Path

@pytest.mark.health("own")
@pytest.mark.threshold("figure", warn=5, fail=20, unit="ms")
def test_switch(health):
    mode = Path("mode").read_text()
    health.measure("figure", 3.0, unit="ms")
    if mode == "hostile":
        health.warn("<img src=x onerror=alert(1)><script>alert(2)</script>\\u202e{{7*7}}")
    assert mode != "broken", "the switch is at broken"
"""


class Site:
    """A page that is served by a real monitor."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.url = ""

    def start(self, *words: str, interval: str = "1s", dashboard: str = "0") -> None:
        """Start it, and wait until its first round has ended."""
        (self.monitor.project / "monitor.out").touch()
        before = len(self.monitor.events("page"))
        more = ("--health-component", "own", "--health-dashboard", dashboard, *words)
        self.monitor.start(*more, interval=interval)
        self.monitor.until(lambda: len(self.monitor.events("page")) > before)
        told = self.monitor.events("page")[-1]
        self.url = re.sub(r"\?.*", "", told.get("url") or told["link"])
        self.monitor.rounds(1)
        # What a round found is to be seen a second later.
        self.monitor.until(self._ready)

    def _ready(self) -> bool:
        return requests.get(f"{self.url}readyz", timeout=5, verify=False).status_code == 200

    @property
    def link(self) -> str:
        """The last one-time link."""
        found = [one["link"] for one in self.monitor.events("page") if "link" in one]
        return str(found[-1])

    @property
    def cookie(self) -> str:
        """The name of the session's cookie."""
        return f"flowhealth-{self.port}"

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.url).port or 0

    def mode(self, text: str) -> None:
        """Turn the check's switch."""
        (self.monitor.project / "mode").write_text(text)

    def state(self, visitor: Visitor) -> dict[str, Any]:
        """Return what the pages show."""
        found: dict[str, Any] = visitor.get("api/state").json()["state"]
        return found


class Visitor:
    """A browser without a page: its cookies, and its address."""

    def __init__(self, site: Site, address: str = "127.0.0.1") -> None:
        self.site = site
        self.session = requests.Session()
        self.session.verify = self.session.trust_env = False
        self.session.mount("http://", _From(address))
        self.csrf = ""

    def log_in(self, password: str = PASSWORD, user: str = "admin") -> requests.Response:
        """Log in."""
        answer = self.change("api/login", {"user": user, "password": password})
        if answer.ok:
            self.csrf = answer.json()["csrf"]
        return answer

    def enter(self) -> requests.Response:
        """Log in by the link."""
        answer = self.session.get(self.site.link, timeout=10)
        self.csrf = self.get("api/session").json()["csrf"]
        return answer

    def get(self, path: str, **named: Any) -> requests.Response:
        """Ask for something."""
        return self.session.get(
            f"{self.site.url}{path}", timeout=15, allow_redirects=False, **named
        )

    def change(
        self, path: str, content: object = None, method: str = "POST", **headers: str
    ) -> requests.Response:
        """Ask for a change as the page does; headers may differ."""
        usual = {"Origin": self.site.url.rstrip("/"), "X-CSRF-Token": self.csrf}
        usual |= {"Content-Type": "application/json"}
        sent = usual | {name.replace("_", "-"): text for name, text in headers.items()}
        return self.session.request(
            method,
            f"{self.site.url}{path}",
            data=json.dumps(content),
            headers={name: text for name, text in sent.items() if text},
            timeout=30,
        )


class _From(HTTPAdapter):
    """Connects from an address of this machine's loopback network."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named, source_address=(self._address, 0))


@contextlib.contextmanager
def site(
    folder: Path, more: str = "", password: str | None = PASSWORD, **env: str
) -> Iterator[Site]:
    """Make a project with one check, whose monitor has a page."""
    known = {"FLOWHEALTH_WEB_PASSWORD": password} if password else {}
    words = f'checks = ["health/"]\n{more}'
    with receiving() as hook, project(folder, hook, known | env, words) as monitor:
        (folder / "health").mkdir()
        (folder / "health/test_own.py").write_text(OWN)
        (folder / "mode").write_text("ok")
        yield Site(monitor)


def wait_for(done: Any, seconds: float = 30.0) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)

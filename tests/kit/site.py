"""The web page behind a real address: of a real monitor, or of a stage on which a test plays the rounds.

`site` starts a monitor, whose rounds are real and take their time. `staged` serves the same page from
this process; a test says what a round found (`Stage.conclude`), and the page shows it at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter

from pytest_flowhealth.domain.checks import PhaseOutcome
from pytest_flowhealth.domain.measurements import make_series
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.history.run_record import make_run_record
from pytest_flowhealth.monitor.logs import Logs
from pytest_flowhealth.monitor.loop import Monitor as RealMonitor
from pytest_flowhealth.monitor.observer import MonitorEvent
from pytest_flowhealth.monitor.pipeline import Pipeline
from pytest_flowhealth.monitor.ring_buffer import Ring
from pytest_flowhealth.monitor.settings import MonitorOptions, find_history, load_settings
from pytest_flowhealth.monitor.status_board import StatusBoard
from pytest_flowhealth.monitor.supervisor import Supervisor
from pytest_flowhealth.web.server import WebServer
from pytest_flowhealth.web.settings import Secrets, read_address
from tests.kit.monitor import Monitor, own_project
from tests.kit.reports import HOSTILE, judged, limit, reported
from tests.kit.waiting import wait_for
from tests.kit.web_app import PASSWORD, with_admin

HOSTILE_TEXT = HOSTILE.replace("\ud800", "")
"""`HOSTILE` as a round reports it: no JSON has half of a character."""


class Site:
    """A page that is served by a real monitor."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.url = ""

    def start(self, *words: str, interval: str = "1s") -> None:
        """Start it, and wait until its first round has ended."""
        (self.monitor.project / "monitor.out").touch()
        before = len(self.monitor.events("page"))
        self.monitor.start("--health-component", "own", *words, interval=interval, web="0")
        self.monitor.until(lambda: len(self.monitor.events("page")) > before)
        page = self.monitor.events("page")[-1]
        self.url = re.sub(r"\?.*", "", page.get("url") or page["link"])
        self.monitor.rounds(1)
        # What a round found is to be seen a second later.
        self.monitor.until(self._ready)

    def _ready(self) -> bool:
        return requests.get(f"{self.url}readyz", timeout=5, verify=False).status_code == 200

    def state(self, visitor: Visitor) -> dict[str, Any]:
        """Return what the pages show."""
        found: dict[str, Any] = visitor.get("api/state").json()["state"]
        return found


def own_report(mode: str = "ok", message: str = "", remedy: str = "turn the switch") -> Report:
    """Return what a round finds that has one check; `message` is what the check has to say."""
    check = judged(
        "own.switch",
        make_series("figure", 3.0, "ms"),
        thresholds=(limit("figure", "ms", warn=5, fail=20),),
        ending=PhaseOutcome.FAILED if mode == "broken" else PhaseOutcome.PASSED,
        message="the switch is at broken" if mode == "broken" else message,
        remedy=remedy,
        evidence={"warnings": (HOSTILE_TEXT,)} if mode == "hostile" else None,
    )
    now = datetime.datetime.now(datetime.UTC)
    return msgspec.structs.replace(reported([check]), started=now)


class Stage:
    """A page on a loopback port of this process, and the monitor that it believes to see.

    History, alerts, silences and log-ins are real; rounds are those that the test plays.

    Args:
        folder: The target's folder; what is there stays.
        config: Its flowhealth.toml, as for `with_admin`.
        address: As for --web.

    Attributes:
        remarks: What the monitor would write to its console.
    """

    def __init__(self, folder: Path, config: str = "", address: str = "127.0.0.1:0") -> None:
        (folder / "kept").mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"name": "shop", "version": "1.0.0"}')
        (folder / "flowhealth.toml").write_text(with_admin(config))
        self.history = folder / "kept/history.db"
        kept = f"sqlite:///{self.history}"
        asked = MonitorOptions(str(folder), None, 60.0, (), False, (), None, kept, address)
        self.settings = load_settings(asked, {})
        place = find_history(asked, self.settings)
        self._logs = Logs(folder / "logs")
        self.pipeline = Pipeline(self.settings, place, {}, lambda _: None, self._logs)
        self.clock = self.pipeline.clock
        self.board, self.ring = StatusBoard(), Ring()
        self.supervisor = Supervisor()
        self.fleet = SimpleNamespace(last=None, source=None, problem=None)
        self.started = time.time()
        self.running, self.late = False, 0
        self.remarks: list[MonitorEvent] = []
        self._page = WebServer(read_address(address), self.settings, place, Secrets())
        self.url = self._page.url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])
        self._thread.start()
        wait_for(self._answers)

    # -- what the page asks a monitor

    @property
    def problem(self) -> str | None:
        """What is wrong around the checks."""
        return self.pipeline.problem

    def next_round(self) -> float | None:
        """Return when the next round is due."""
        return time.time() + 60

    def alive(self) -> bool:
        """Tell whether rounds come to their end."""
        return True

    # -- what a test does

    def noted(self, what: str) -> list[dict[str, Any]]:
        """Return the facts of the remarks of a kind."""
        return [dict(remark.facts) for remark in [*self.remarks] if remark.what == what]

    def conclude(self, health: Report | None = None) -> None:
        """End a round with this report; by default with that of `own_report`."""
        ended = self._conclude(health or own_report())
        asyncio.run_coroutine_threadsafe(ended, self._loop).result()

    async def _conclude(self, health: Report) -> None:
        moment = self.clock.moment()
        report = msgspec.json.encode({"health": health})
        entry = make_run_record(health, report, {}, "", uuid.uuid4().hex)
        self.board.add_round(health, (), moment.wall, None, moment.now)
        self.pipeline.add_round(health, entry, (), moment, None, self.board.state)
        await self.pipeline.send()
        await self._second()

    def close(self) -> None:
        """End, as after SIGTERM."""
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._page.close)
        self._thread.join()
        self._loop.close()
        self._logs.close()

    def _answers(self) -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"{self.url}livez", timeout=5, verify=False).ok
        return False

    async def _run(self) -> None:
        self._page.start(cast(RealMonitor, self))
        seconds = asyncio.create_task(self._run_seconds())
        await self.supervisor.run("page", self._page.serve)
        seconds.cancel()
        await self.pipeline.close(0.0)

    async def _run_seconds(self) -> None:
        while True:
            await self._second()
            await asyncio.sleep(0.5)

    async def _second(self) -> None:
        moment = self.clock.moment()
        now = moment.wall.timestamp()
        values = {"system.cpu": 12.5, "system.memory": 40.0}
        self.ring.add(now, values)
        self.pipeline.on_tick({name: (value, "%") for name, value in values.items()}, moment)
        for remark in self._page.drain_events():
            self.remarks.append(remark)
            if remark.urgent:
                self.pipeline.hurry()
        await self.pipeline.send()
        self._page.on_tick(cast(RealMonitor, self), now)


@contextlib.contextmanager
def staged(folder: Path, config: str = "", **settings: Any) -> Iterator[Stage]:
    """Serve a page whose first round has found that all is well; `settings` are those of `Stage`."""
    stage = Stage(folder, config, **settings)
    try:
        stage.conclude()
        yield stage
    finally:
        stage.close()


Served = Site | Stage


def port_of(served: Served) -> int:
    """Return where it listens."""
    return urlsplit(served.url).port or 0


def cookie_of(served: Served) -> str:
    """Return the name of the session's cookie."""
    return f"flowhealth-{port_of(served)}"


class Visitor:
    """A browser without a page: its cookies, and its address."""

    def __init__(self, site: Served, address: str = "127.0.0.1") -> None:
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
def site(folder: Path, more: str = "", **env: str) -> Iterator[Site]:
    """Make a project with the checks of `kit.monitor.OWN`, whose monitor has a page."""
    with own_project(folder, more, **{"FLOWHEALTH_WEB_PASSWORD": PASSWORD, **env}) as monitor:
        yield Site(monitor)

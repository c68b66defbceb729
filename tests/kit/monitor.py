"""A real monitor on a small project, and the webhook that it notifies."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.kit.runs import FLOWHEALTH, environment
from tests.kit.waiting import TIMEOUT, wait_for
from tests.kit.webhook import WebhookServer

OWN = """
import os, subprocess, time
from pathlib import Path
import pytest

@pytest.mark.health("own", timeout=60)
def test_switch(health):
    mode = Path("mode").read_text()
    if mode == "hang":
        child = subprocess.Popen(["sleep", "100"], start_new_session=True)
        Path("pid").write_text(str(child.pid))
        os.rename("pid", "hangs")
        time.sleep(50)
    health.measure("figure", 1.0 if mode == "ok" else 9.0, unit="1")
    assert not mode.startswith("broken"), f"the switch is at {mode}"

@pytest.mark.health("own")
def test_quiet():
    assert Path("mode").read_text() != "broken, also quiet"
"""
"""Checks that do what the file `mode` says: ok, broken, hang (with a child that detaches itself)."""

CALM_RULES = "".join(
    f'[[rules]]\nname = "{name}"\nenabled = false\n'
    for name in (
        *("highCPU", "criticalCPU", "highMemory", "criticalMemory"),
        *("redisLatency", "redisCommandLatency"),
    )
)
"""Configuration without the rules that a busy test machine breaks."""

CALM_REDIS = """
[thresholds]
"redis.connect.p95" = { warn = 500, fail = 5000 }
"redis.command.p95" = { warn = 500, fail = 5000 }
"redis.throughput" = { warn = 10, fail = 1 }
"redis.slow_commands" = { warn = 1000, fail = 10000 }
"""
"""Configuration with limits of Redis that a busy test machine keeps."""

OWN_ONLY = ("--health-component", "own")


class Monitor:
    """`flowhealth monitor` in a project; what it writes and what it sends to the webhook.

    `events` and `told` are those since the last `forget`.
    """

    def __init__(self, project: Path, hook: WebhookServer, env: dict[str, str]) -> None:
        self.project, self.hook = project, hook
        self.history = project / "kept" / "history.db"
        self._env = environment(env)
        self.process: subprocess.Popen[bytes] | None = None
        self._out = project / "monitor.out"
        self._requests = self._lines = 0

    def start(self, *words: str, interval: str = "1s", web: str | None = None) -> None:
        """Start it; `words` are options of pytest, `web` is the address of its page."""
        page = () if web is None else ("--web", web)
        with self._out.open("ab") as out:
            self.process = subprocess.Popen(
                [
                    *(*FLOWHEALTH, "monitor", "--interval", interval, *page),
                    *("--history", f"sqlite:///{self.history}", "--", *words),
                ],
                cwd=self.project,
                env=self._env,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def add_environment(self, **variables: str) -> None:
        """Set variables for the next start."""
        self._env |= variables

    def mode(self, text: str) -> None:
        """Change what the checks of `OWN` do."""
        (self.project / "mode.new").write_text(text)
        (self.project / "mode.new").rename(self.project / "mode")

    def hung_child(self) -> int:
        """Wait until a check hangs, and return the id of the process that it started."""
        file = self.project / "hangs"
        self.until(file.exists)
        found = int(file.read_text())
        file.unlink()
        return found

    def forget(self) -> None:
        """Leave what was written and sent so far out of `events` and `told`."""
        self._requests = len(self.hook.requests)
        self._lines = len(self.text.splitlines())

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return what it has written of a kind."""
        found = []
        for line in self.text.splitlines()[self._lines :]:
            with contextlib.suppress(ValueError):
                decoded = json.loads(line)
                if decoded.get("event") == event:
                    found.append(decoded)
        return found

    @property
    def text(self) -> str:
        """All that it has written."""
        return self._out.read_text()

    def rounds(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many more rounds have ended; return all."""
        before = len(self.events("round"))
        self.until(lambda: len(self.events("round")) >= before + count)
        return self.events("round")

    def until(self, done: Callable[[], object], seconds: float = TIMEOUT) -> None:
        """Wait for something while it runs."""

        def is_done() -> object:
            assert self.process is not None
            running = self.process.poll() is None
            if not (found := done()):
                assert running, self.text[-3_000:]
            return found

        wait_for(is_done, seconds, lambda: f"{self.told()} {self.text[-3_000:]}")

    def told(self) -> list[tuple[str, str]]:
        """Return what it has sent: kind and names of alerts, in order, each message once."""
        found: dict[str, tuple[str, str]] = {}
        for request in self.hook.requests[self._requests :]:
            message = request.json
            kind = message["commonAnnotations"].get("notification", message["status"])
            names = ",".join(map(name_alert, message["alerts"]))
            found.setdefault(request.headers["webhook-id"], (kind, names))
        return [*found.values()]

    def kinds_by_alert(self) -> dict[str, list[str]]:
        """Return the kinds of message about each alert, in order."""
        found: dict[str, list[str]] = {}
        for kind, names in self.told():
            for name in names.split(","):
                found.setdefault(name, []).append(kind)
        return found

    def until_told(self, *messages: tuple[str, str]) -> None:
        """Wait until it has sent these messages, and no other."""
        self.until(lambda: len(self.told()) >= len(messages))
        assert self.told() == [*messages]

    def alert(self, name: str) -> dict[str, Any]:
        """Return the first alert of a name that it has sent."""
        messages = [request.json for request in self.hook.requests[self._requests :]]
        alerts = [alert for message in messages for alert in message["alerts"]]
        found: dict[str, Any] = next(alert for alert in alerts if name_alert(alert) == name)
        return found

    def children(self) -> list[psutil.Process]:
        """Return the processes that it started and that run."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self) -> psutil.Process:
        """Wait for a round, and return its process."""
        found: list[psutil.Process] = []

        def under_way() -> bool:
            # The round leads a session of its own; other programs of the monitor's come and go.
            for process in self.children():
                with contextlib.suppress(psutil.Error, ProcessLookupError):
                    if "pytest" in process.cmdline() and os.getsid(process.pid) == process.pid:
                        found.append(process)
            return bool(found)

        self.until(under_way)
        return found[0]

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()

    def rows(self, question: str) -> list[Any]:
        """Ask the history."""
        with contextlib.closing(sqlite3.connect(self.history)) as file:
            return file.execute(question).fetchall()


def name_alert(alert: dict[str, Any]) -> str:
    """Return the name of an alert in a webhook's message."""
    labels = alert["labels"]
    return (
        f"{labels['alertname']}[{labels['parameters']}]"
        if "parameters" in labels
        else labels["alertname"]
    )


@contextlib.contextmanager
def project(folder: Path, more: str = "", **env: str) -> Iterator[Monitor]:
    """Make a project whose alerts go to a webhook; its monitor is ended in any case."""
    folder.mkdir()
    (folder / "package.json").write_text(
        json.dumps({"name": "shop", "version": "1.0.0", "dependencies": {"redis": "*"}})
    )
    with WebhookServer() as hook:
        (folder / "flowhealth.toml").write_text(
            f'{more}\n[[receivers]]\nname = "ops"\ntype = "webhook"\nurl = "{hook.url}"\n'
        )
        monitor = Monitor(folder, hook, env)
        try:
            yield monitor
        finally:
            monitor.end(signal.SIGKILL)


@contextlib.contextmanager
def own_project(folder: Path, more: str = "", **env: str) -> Iterator[Monitor]:
    """Make a project with the checks of `OWN`, which pass."""
    with project(folder, f'checks = ["health/"]\n{more}{CALM_RULES}', **env) as monitor:
        write_own_checks(folder)
        monitor.mode("ok")
        yield monitor


def write_own_checks(folder: Path, source: str = OWN) -> None:
    """Write the project's file of checks."""
    (folder / "health").mkdir(exist_ok=True)
    (folder / "health" / "test_own.py").write_text(source)


def is_gone(process: psutil.Process | int) -> bool:
    """Tell whether a process has ended, reaped or not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        found = psutil.Process(process) if isinstance(process, int) else process
        return found.status() == psutil.STATUS_ZOMBIE
    return True

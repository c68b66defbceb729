"""A real monitor on a small project, and what breaks things under it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.kit.webhook import Server

LIMIT = 40.0
"""Seconds that anything may take before a test gives up; nothing is judged by it."""


class Monitor:
    """`pytest --health-monitor` in a project; its output and what it told the webhook."""

    def __init__(self, project: Path, hook: Server, env: dict[str, str]) -> None:
        self.project, self.hook = project, hook
        self.history = project / "kept" / "history.db"
        self._env = {**os.environ, **env}
        self._env.pop("PYTEST_ADDOPTS", None)
        self.process: subprocess.Popen[bytes] | None = None
        self._out = project / "monitor.out"

    def start(self, *words: str, interval: str = "2s") -> None:
        """Start it."""
        with self._out.open("ab") as out:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "pytest", "--health", f"--health-monitor={interval}"),
                    *("--health-history", f"sqlite:///{self.history}", *words),
                ],
                cwd=self.project,
                env=self._env,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def add_environment(self, **variables: str) -> None:
        """Set variables for the next start."""
        self._env |= variables

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return what it has said of a kind."""
        found = []
        for line in self._out.read_text().splitlines():
            with contextlib.suppress(ValueError):
                one = json.loads(line)
                if one.get("event") == event:
                    found.append(one)
        return found

    @property
    def text(self) -> str:
        """All that it has said."""
        return self._out.read_text()

    def rounds(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many more rounds have ended; return all."""
        before = len(self.events("round"))
        self.until(lambda: len(self.events("round")) >= before + count)
        return self.events("round")

    def until(self, done: Callable[[], object], seconds: float = LIMIT) -> None:
        """Wait for something."""
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, self.text[-3_000:]
            assert self.process is not None
            assert self.process.poll() is None, self.text[-3_000:]
            time.sleep(0.05)

    def told(self) -> list[tuple[str, str]]:
        """Return what the webhook was told: kind and names, in order, each message once."""
        found: dict[str, tuple[str, str]] = {}
        for _, headers, content in [*self.hook.requests]:
            message = json.loads(content)
            names = ",".join(one["name"] for one in message["alerts"])
            found.setdefault(headers["X-FlowHealth-Id"], (message["kind"], names))
        return [*found.values()]

    def alert(self, name: str) -> dict[str, Any]:
        """Return the first alert of a name that the webhook was told of."""
        for _, _, content in self.hook.requests:
            for one in json.loads(content)["alerts"]:
                if one["name"] == name:
                    found: dict[str, Any] = one
                    return found
        raise AssertionError(f"nothing was told of {name}")

    def children(self) -> list[psutil.Process]:
        """Return the processes that it started and that run."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self) -> psutil.Process:
        """Wait for a round, and return its process."""
        found: list[psutil.Process] = []

        def under_way() -> bool:
            # The round leads a session of its own; other programs of the monitor's come and go.
            for one in self.children():
                with contextlib.suppress(psutil.Error):
                    if "pytest" in one.cmdline() and os.getsid(one.pid) == one.pid:
                        found.append(one)
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
            return self.process.wait(20)
        finally:
            self.process.kill()

    def rows(self, question: str) -> list[Any]:
        """Ask the history."""
        with contextlib.closing(sqlite3.connect(self.history)) as file:
            return file.execute(question).fetchall()


@contextlib.contextmanager
def project(folder: Path, hook: Server, env: dict[str, str], more: str = "") -> Iterator[Monitor]:
    """Make a project whose alerts go to `hook`; its monitor is ended in any case."""
    folder.mkdir()
    (folder / "package.json").write_text(
        json.dumps({"name": "shop", "version": "1.0.0", "dependencies": {"redis": "*"}})
    )
    (folder / "flowhealth.toml").write_text(
        f'{more}\n[[receivers]]\nname = "ops"\ntype = "webhook"\nurl = "{hook.url}"\n'
    )
    found = Monitor(folder, hook, env)
    try:
        yield found
    finally:
        found.end(signal.SIGKILL)

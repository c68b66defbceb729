"""Synchronises the issues once an hour beside a monitor, in a thread of its own. Light to import."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_flowhealth.config.target import Target

if TYPE_CHECKING:
    from pytest_flowhealth.github_issues.sync import IssueResult, SyncResult

INTERVAL = 3_600.0
"""Seconds between two runs."""

DELAY = 3.0
"""Seconds between the monitor's start and the first run."""

_MAX_WAIT = 25 * INTERVAL
_SILENT = ("unchanged", "waiting", "ignored")

Sync = Callable[[Path, Target, Mapping[str, str]], "SyncResult"]
Event = tuple[str, dict[str, object]]
"""A name and its facts."""


class IssueScheduler:
    """Runs `sync_history` where `[github] repository` and a token are set; its caller never waits.

    Args:
        path: The history's file.
        environ: The environment, with the token.
        sync: What is run; by default `sync_history`.
    """

    def __init__(self, path: Path, environ: Mapping[str, str], sync: Sync | None = None) -> None:
        self._path, self._environ, self._sync = path, environ, sync
        self._next: float | None = None
        self._thread: threading.Thread | None = None
        self._results: queue.SimpleQueue[SyncResult] = queue.SimpleQueue()
        self._problem: str | None = None

    def on_tick(self, target: Target, now: float) -> None:
        """Start a run if one is due; `now` in seconds since 1970."""
        if target.config.github.repository is None:
            return
        if self._next is None:
            self._next = now + DELAY
        # A clock that was set back must not stop it for years.
        if now < self._next <= now + _MAX_WAIT or self._is_running:
            return
        self._next = now + INTERVAL
        self._thread = threading.Thread(
            target=self._run, args=(target,), daemon=True, name="issues"
        )
        self._thread.start()

    def reschedule(self) -> None:
        """Run soon: the configuration may have changed."""
        self._next = None

    def drain_events(self) -> list[Event]:
        """Return what happened since the last call; a problem is returned once until it changes."""
        events: list[Event] = []
        while not self._results.empty():
            result = self._results.get()
            events += [_make_event(each) for each in result.results if each.outcome not in _SILENT]
            if result.retry_at is not None and self._next is not None:
                self._next = max(self._next, min(result.retry_at, time.time() + _MAX_WAIT))
            if result.problem != self._problem and result.problem is not None:
                remedy = f"; {result.remedy}" if result.remedy else ""
                events.append(("issues not synchronised", {"problem": result.problem + remedy}))
            self._problem = result.problem
        return events

    @property
    def _is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self, target: Target) -> None:
        # Imported late: most monitors have no repository.
        from pytest_flowhealth.github_issues.sync import SyncResult, sync_history
        from pytest_flowhealth.probes.github.settings import find_token

        try:
            if find_token(self._environ) is not None:
                self._results.put((self._sync or sync_history)(self._path, target, self._environ))
        except Exception as error:  # noqa: BLE001  # the monitor goes on, and reports it
            self._results.put(SyncResult(problem=f"unexpected {type(error).__name__}"))


def _make_event(result: IssueResult) -> Event:
    facts: dict[str, object] = {
        "done": result.outcome,
        "fingerprint": result.group.fingerprint,
    }
    if result.url:
        facts["url"] = result.url
    if result.reason:
        facts["text"] = result.reason
    return "issue", facts

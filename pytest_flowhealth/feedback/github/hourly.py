"""Sees to the issues once an hour, beside a monitor; light to import."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_flowhealth.config.target import Target

if TYPE_CHECKING:
    from pytest_flowhealth.feedback.github.chore import Reported
    from pytest_flowhealth.feedback.github.tend import Did, Done

EVERY = 3_600.0
"""Seconds between two looks."""

FIRST = 3.0
"""Seconds after its begin until the first."""


class Hourly:
    """Sees to the issues once an hour, in a thread; who calls it is never held up.

    Args:
        path: The history's file.
        environ: Where the token is.
        ask: Reads what was reported; by default what the page received.
    """

    def __init__(self, path: Path, environ: Mapping[str, str], ask: Reported | None = None) -> None:
        self._path, self._environ, self._ask = path, environ, ask
        self._next: float | None = None
        self._thread: threading.Thread | None = None
        self._done: queue.SimpleQueue[Done] = queue.SimpleQueue()
        self._problem: str | None = None

    def second(self, target: Target, at: float) -> None:
        """Begin where it is time; `at` in seconds since 1970."""
        if target.config.github.repository is None:
            return
        if self._next is None:
            self._next = at + FIRST
        # A clock that was set back must not stop it for years.
        if at < self._next <= at + 2 * EVERY or self._busy:
            return
        self._next = at + EVERY
        self._thread = threading.Thread(
            target=self._see_to, args=(target,), daemon=True, name="issues"
        )
        self._thread.start()

    def again(self) -> None:
        """Look at once: the configuration may have changed."""
        self._next = None

    def told(self) -> list[tuple[str, dict[str, object]]]:
        """Return what happened since the last time, with facts: what was done, and a problem once."""
        found: list[tuple[str, dict[str, object]]] = []
        while not self._done.empty():
            done = self._done.get()
            found += [_fact(one) for one in done.did if one.what not in _SILENT]
            if done.until is not None and self._next is not None:
                self._next = max(self._next, min(done.until, time.time() + 25 * EVERY))
            if done.problem != self._problem and done.problem is not None:
                more = f"; {done.remedy}" if done.remedy else ""
                found.append(("issues can't be seen to", {"problem": done.problem + more}))
            self._problem = done.problem
        return found

    @property
    def _busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _see_to(self, target: Target) -> None:
        # Not before: most monitors have no repository, and no need of all this.
        from pytest_flowhealth.feedback.github import chore
        from pytest_flowhealth.probes.github.settings import token_of

        try:
            if token_of(self._environ) is None:
                return
            self._done.put(chore.see_to(self._path, target, self._environ, self._ask))
        except Exception as error:  # noqa: BLE001  # whatever it is, the monitor goes on, and hears of it
            from pytest_flowhealth.feedback.github.tend import Done

            self._done.put(Done(problem=f"they can't be seen to: {type(error).__name__}"))


_SILENT = ("unchanged", "waiting", "left alone")


def _fact(did: Did) -> tuple[str, dict[str, object]]:
    facts: dict[str, object] = {"done": did.what, "fingerprint": did.kind.fingerprint}
    if did.url:
        facts["url"] = did.url
    if did.text:
        facts["text"] = did.text
    return "issue", facts

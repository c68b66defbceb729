"""Sees to the issues of a project: now, or once an hour beside a monitor."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import FlowHealthError, UsageError
from pytest_flowhealth.feedback.github.notes import Notes
from pytest_flowhealth.feedback.github.settings import client_of, policy_of, token_of
from pytest_flowhealth.feedback.github.tend import Did, Done, tend
from pytest_flowhealth.feedback.report import Kind
from pytest_flowhealth.history.keeping import opened, said
from pytest_flowhealth.verdict.text import Redactor, secrets_in

EVERY = 3_600.0
"""Seconds between two looks beside a monitor."""

FIRST = 3.0
"""Seconds after its begin until the first."""

_WAIT = 5.0

Reported = Callable[[sqlite3.Connection], Sequence[Kind]]


def reported(connection: sqlite3.Connection) -> Sequence[Kind]:
    """Return what was reported and is still kept."""
    ask: Reported = importlib.import_module("pytest_flowhealth.feedback.store").kinds
    return ask(connection)


def scrubbed(kinds: Sequence[Kind], environ: Mapping[str, str]) -> list[Kind]:
    """Return the kinds without secrets of this machine: once more, after who sent and who took them."""
    redact = Redactor(secrets_in(environ))
    return [msgspec.structs.replace(one, error=redact(one.error)) for one in kinds]


def see_to(
    path: Path, target: Target, environ: Mapping[str, str], ask: Reported = reported
) -> Done:
    """Open issues, and bring them up to date; what goes wrong is in what is returned.

    Args:
        path: The history's file.
        target: The project.
        environ: Where the token is.
        ask: Reads what was reported.
    """
    try:
        client, policy = client_of(target, environ), policy_of(target)
        with alone(path), opened(path, _WAIT) as connection:
            kinds = scrubbed(ask(connection), environ)
            return tend(Notes(connection, client.base), kinds, client, policy)
    except FlowHealthError as error:
        return Done(problem=error.message, remedy=error.remedy)
    except sqlite3.Error as error:
        return Done(problem=f"the history can't be used: {said(error)}")
    except OSError as error:
        return Done(problem=f"the history can't be used: {error.strerror or error}")


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes with the same history out; a lock that ends with the process (flock(2)).

    Raises:
        UsageError: Another has it.
        OSError: It can't be had.
    """
    name = path.with_name(f"{path.name}.issues")
    file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                "another process sees to the issues just now; try again in a minute"
            ) from None
        yield
    finally:
        os.close(file)


class Chore:
    """Sees to the issues once an hour, in a thread; who calls it is never held up.

    Args:
        path: The history's file.
        environ: Where the token is.
        ask: Reads what was reported.
    """

    def __init__(self, path: Path, environ: Mapping[str, str], ask: Reported = reported) -> None:
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
        try:
            if token_of(self._environ) is None:
                return
            self._done.put(see_to(self._path, target, self._environ, self._ask))
        except Exception as error:  # noqa: BLE001  # whatever it is, the monitor goes on, and hears of it
            self._done.put(Done(problem=f"they can't be seen to: {type(error).__name__}"))


_SILENT = ("unchanged", "waiting", "left alone")


def _fact(did: Did) -> tuple[str, dict[str, object]]:
    facts: dict[str, object] = {"what": did.what, "fingerprint": did.kind.fingerprint}
    if did.url:
        facts["url"] = did.url
    if did.text:
        facts["text"] = did.text
    return "issue", facts

"""Kinds of errors for tests, and a history to note their issues in."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pytest_flowhealth.feedback.github.client import Client, Time
from pytest_flowhealth.feedback.github.notes import Notes
from pytest_flowhealth.feedback.github.tend import Done, Policy, tend
from pytest_flowhealth.feedback.reports import store
from pytest_flowhealth.feedback.reports.report import InstallReport, Kind
from pytest_flowhealth.history.database import connect
from tests.kit.github import REPOSITORY, TOKEN, Clock, GitHubServer

BASE = Kind(
    fingerprint="0123456789abcdef",
    package="shop",
    error="npm error code ENOTARGET cerebras@^1.0.0 is not in the registry",
    step="install",
    count=7,
    first=1_789_000_000.0,
    last=1_789_900_000.0,
    versions=(("2.1.0", 5), ("2.0.0", 2)),
    nodes=(("20.11.1", 7),),
    platforms=(("linux-x64", 6), ("darwin-arm64", 1)),
    sources=7,
)


def kind(**named: Any) -> Kind:
    """Return a kind that differs."""
    return msgspec.structs.replace(BASE, **named)


def report(path: Path, kinds: Sequence[Kind] = (BASE,)) -> None:
    """Put the reports of which these kinds are made into a history."""
    path.parent.mkdir(exist_ok=True)
    with contextlib.closing(connect(path, wait=5.0)) as connection:
        for one in kinds:
            store.add(connection, [_kept(one, number) for number in range(one.count)])


def _kept(one: Kind, number: int) -> store.Kept:
    def of(parts: Sequence[tuple[str, int]]) -> str | None:
        names = [name for name, count in parts for _ in range(count)]
        return names[number] if number < len(names) else None

    os, _, arch = (of(one.platforms) or "-").partition("-")
    taken = InstallReport(
        package=one.package,
        version=of(one.versions),
        node=of(one.nodes),
        os=os or None,
        arch=arch or None,
        step=one.step,
        outcome="failure",
        error=one.error,
    )
    at = one.first + (one.last - one.first) * number / max(1, one.count - 1)
    proof = store.proof_of(store.new_id())
    source = (number % max(1, one.sources)).to_bytes(2)
    return store.Kept(proof, at, taken, one.fingerprint, source)


class Monitor:
    """One who tends a repository: his own history, his own clock."""

    def __init__(self, path: Path, github: GitHubServer, clock: Clock, **named: Any) -> None:
        self.path, self.github, self.clock = path, github, clock
        self.policy = Policy(**named)
        self.seconds = 20.0
        self.token: str | None = TOKEN

    @property
    def client(self) -> Client:
        """Ask anew, as after a start."""
        at = Time(self.clock.now, self.clock.now, self.clock.pass_by)
        return Client(REPOSITORY, self.token, api=self.github.url, seconds=self.seconds, at=at)

    def with_notes(self, do: Callable[[Notes], Any]) -> Any:
        """Do something with the notes."""
        connection = connect(self.path, wait=5.0)
        try:
            return do(Notes(connection, self.client.base))
        finally:
            connection.close()

    def tend(self, *kinds: Kind) -> Done:
        """Open and bring up to date."""
        done: Done = self.with_notes(
            lambda notes: tend(notes, kinds or (BASE,), self.client, self.policy)
        )
        return done

    def wipe(self) -> None:
        """Lose the history."""
        for end in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)


def rows(path: Path) -> list[Any]:
    """Return all notes."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT * FROM github_issues").fetchall()
    finally:
        connection.close()

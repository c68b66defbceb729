"""Kinds of errors that were reported, and a monitor that opens their issues at GitHub."""

import contextlib
import sqlite3
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pytest_flowhealth.github_issues.issue_store import IssueStore
from pytest_flowhealth.github_issues.planning import IssuePolicy
from pytest_flowhealth.github_issues.sync import SyncResult, sync_issues
from pytest_flowhealth.history.database import MIGRATIONS, connect
from pytest_flowhealth.install_reports import store
from pytest_flowhealth.install_reports.report import FailureGroup, InstallReport
from pytest_flowhealth.probes.github.client import GitHubClient, Response
from tests.kit.clock import FakeClock
from tests.kit.github import TOKEN, GitHub
from tests.kit.http import Request
from tests.kit.projects import write
from tests.kit.runs import Run, run_flowhealth

BASE = FailureGroup(
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


def kind(**named: Any) -> FailureGroup:
    """Return a kind that differs."""
    return msgspec.structs.replace(BASE, **named)


def add_reports(path: Path, kinds: Sequence[FailureGroup] = (BASE,)) -> None:
    """Put the reports of which these kinds are made into a history."""
    path.parent.mkdir(exist_ok=True)
    with contextlib.closing(connect(path, wait=5.0)) as connection:
        for each in kinds:
            store.add(connection, [_report(each, number) for number in range(each.count)])


def _report(kind: FailureGroup, number: int) -> store.StoredReport:
    def pick(parts: Sequence[tuple[str, int]]) -> str | None:
        names = [name for name, count in parts for _ in range(count)]
        return names[number] if number < len(names) else None

    os, _, arch = (pick(kind.platforms) or "linux-x64").partition("-")
    report = InstallReport(
        package=kind.package,
        version=pick(kind.versions),
        node=pick(kind.nodes),
        os=os,
        arch=arch,
        step=kind.step,
        outcome="failure",
        error=kind.error,
    )
    source = (number % kind.sources).to_bytes(2)
    proof = store.hash_id(store.make_id())
    return store.StoredReport(proof, kind.first + number, report, kind.fingerprint, source)


class IssuesProject:
    """A project with a history that has reports in it, and a repository at `api`."""

    def __init__(self, folder: Path, api: str, kinds: Sequence[FailureGroup] = (BASE,)) -> None:
        settings = f'[github]\nrepository = "acme/shop"\napi = "{api}"\n'
        self.folder = write(folder, {"flowhealth.toml": settings}, name="shop", version="1.0.0")
        self.history = folder / ".flowhealth/history.db"
        add_reports(self.history, kinds)

    def run(self, *words: str, token: str | None = TOKEN) -> Run:
        """Run the command."""
        env = {"GITHUB_TOKEN": None, "GH_TOKEN": token}
        return run_flowhealth(self.folder, "issues", *words, env=env)

    def content(self) -> bytes:
        """Return the content of all files."""
        return b"".join(path.read_bytes() for path in self.folder.rglob("*") if path.is_file())


class IssueMonitor:
    """A monitor that opens issues: its own records, in memory, and its own clock.

    Attributes:
        policy: When it opens an issue.
        token: What it shows GitHub.
    """

    def __init__(self, github: GitHub, clock: FakeClock, **named: Any) -> None:
        self.github, self.clock = github, clock
        self.policy = IssuePolicy(**named)
        self.token: str | None = TOKEN
        self.wipe()

    def wipe(self) -> None:
        """Lose the history."""
        self.history = sqlite3.connect(":memory:", isolation_level=None)
        weakref.finalize(self, self.history.close)
        self.history.executescript(next(each for each in MIGRATIONS if "github_issues" in each))

    def sync(self, *groups: FailureGroup, client: GitHubClient | None = None) -> SyncResult:
        """Open and update issues, as a monitor does after a start."""
        client = client or self.github.client(self.token)
        store = IssueStore(self.history, client.api, client.repository)
        return sync_issues(store, groups or (BASE,), client, self.policy, self.clock.now)

    def outcomes(self, *groups: FailureGroup) -> list[str]:
        """Synchronise; return what was done."""
        return [each.outcome for each in self.sync(*groups).results]


class Crash(BaseException):
    """The process is killed."""


def crash_at(github: GitHub, number: int, *, after: bool) -> Callable[[], None]:
    """Kill the monitor at a request, before it is sent or after it was answered.

    Returns:
        A function that ends this.
    """
    real, count = github.exchange, 0

    def exchange(request: Request) -> Response:
        nonlocal count
        count += 1
        if count == number and not after:
            raise Crash
        response = real(request)
        if count == number:
            raise Crash
        return response

    def restore() -> None:
        github.exchange = real  # type: ignore[method-assign]

    github.exchange = exchange  # type: ignore[method-assign]
    return restore

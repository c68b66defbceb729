"""When a monitor synchronises the issues, and what it reports of that."""

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.github_issues.scheduler import IssueScheduler
from pytest_flowhealth.github_issues.sync import IssueResult, SyncResult, sync_history
from tests.kit.github import TOKEN
from tests.kit.github_issues import BASE
from tests.kit.waiting import wait_for

WITH_TOKEN = {"GH_TOKEN": TOKEN}
REPOSITORY = '[github]\nrepository = "acme/shop"\n'


def target_of(folder: Path, text: str = REPOSITORY) -> Target:
    (folder / "package.json").write_text('{"name": "shop"}')
    (folder / "flowhealth.toml").write_text(text)
    return load_target(folder, {}, folder)


class Runs:
    """Counts the runs of a scheduler, and gives them results.

    Attributes:
        results: The results, or errors, of the next runs.
        release: Cleared, a run hangs.
    """

    def __init__(self, environ: dict[str, str] = WITH_TOKEN) -> None:
        self.count = 0
        self.results: list[SyncResult | Exception] = []
        self.release = threading.Event()
        self.release.set()
        self.scheduler = IssueScheduler(Path("history.db"), environ, self._sync)

    def _sync(self, *_: object) -> SyncResult:
        self.count += 1
        self.release.wait(60)
        result = self.results.pop(0) if self.results else SyncResult()
        if isinstance(result, Exception):
            raise result
        return result

    def tick(self, target: Target, now: float) -> int:
        """Let a second pass; return the number of runs until now."""
        self.scheduler.on_tick(target, now)
        thread = self.scheduler._thread
        if thread is not None and self.release.is_set():
            thread.join(60)
        return self.count


def test_it_runs_three_seconds_after_the_start_and_then_every_hour(tmp_path: Path) -> None:
    target, runs = target_of(tmp_path), Runs()
    counts = [runs.tick(target, at) for at in (0, 1, 3, 4, 3_600, 3_603, 3_604, 7_203)]
    assert counts == [0, 0, 1, 1, 1, 2, 2, 3]


def test_a_run_that_hangs_delays_nobody_and_is_not_repeated(tmp_path: Path) -> None:
    target, runs = target_of(tmp_path), Runs()
    runs.release.clear()
    for at in (0.0, 10.0, 4_000.0, 8_000.0):
        runs.tick(target, at)
    wait_for(lambda: runs.count)
    assert runs.count == 1
    runs.release.set()


@pytest.mark.parametrize(("text", "environ"), [("", WITH_TOKEN), (REPOSITORY, {})])
def test_without_a_repository_or_a_token_it_does_not_run(
    tmp_path: Path, text: str, environ: dict[str, str]
) -> None:
    target, runs = target_of(tmp_path, text), Runs(environ)
    assert [runs.tick(target, at) for at in (0, 10, 5_000)] == [0, 0, 0]
    assert runs.scheduler.drain_events() == []


def test_a_problem_is_reported_once_until_it_changes(tmp_path: Path) -> None:
    target, runs = target_of(tmp_path), Runs()
    refused = SyncResult(problem="no token", remedy="do it")
    runs.results = [refused, refused, ValueError(), refused]
    reported = []
    for at in (0, 3, 3_603, 7_203, 10_803):
        runs.tick(target, at)
        events = runs.scheduler.drain_events()
        reported.append([facts["problem"] for _, facts in events])
    assert reported == [
        [],
        ["no token; do it"],
        [],
        ["unexpected ValueError"],
        ["no token; do it"],
    ]


def test_the_events_are_what_was_done_and_a_rate_limit_delays_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, runs = target_of(tmp_path), Runs()
    monkeypatch.setattr("time.time", lambda: 3.0)
    opened = IssueResult(BASE, "opened", 1, "https://github.example/acme/shop/issues/1")
    results = (opened, IssueResult(BASE, "unchanged"))
    runs.results = [SyncResult(results, problem="limit", retry_at=5_000.0)]
    runs.tick(target, 0)
    runs.tick(target, 3)
    events: list[tuple[str, Mapping[str, object]]] = [*runs.scheduler.drain_events()]
    facts = {"done": "opened", "fingerprint": BASE.fingerprint, "url": opened.url}
    assert events == [("issue", facts), ("issues not synchronised", {"problem": "limit"})]
    assert [runs.tick(target, at) for at in (3_603, 4_999, 5_000)] == [1, 1, 2]

    runs.scheduler.reschedule()
    assert [runs.tick(target, at) for at in (5_001, 5_004)] == [2, 3]


def test_an_unusable_history_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"garbage" * 1_000)
    result = sync_history(path, target_of(tmp_path), WITH_TOKEN)
    assert "the history can't be used" in (result.problem or "")

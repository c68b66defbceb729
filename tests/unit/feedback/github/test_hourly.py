"""When a monitor looks after the issues, and what it reports of that."""

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.feedback.github import chore
from pytest_flowhealth.feedback.github.hourly import Hourly
from pytest_flowhealth.feedback.github.tend import Done
from pytest_flowhealth.feedback.reports.report import Kind
from pytest_flowhealth.history.database import connect
from tests.kit.github import TOKEN
from tests.kit.github_issues import BASE
from tests.kit.waiting import wait_for

WITH_TOKEN = {"GH_TOKEN": TOKEN}
REPOSITORY = '[github]\nrepository = "acme/shop"\n'


class Looks:
    """Counts how often the reports are read; a history without any needs no request."""

    def __init__(self, path: Path, environ: dict[str, str]) -> None:
        connect(path, wait=5.0).close()
        self.count = 0
        self.release = threading.Event()
        self.release.set()
        self.hourly = Hourly(path, environ, self._read)

    def _read(self, _: sqlite3.Connection) -> list[Kind]:
        self.count += 1
        self.release.wait(60)
        return []

    def at(self, target: Target, seconds: float) -> int:
        """Let a second pass; return how often was looked until now."""
        self.hourly.second(target, seconds)
        thread = self.hourly._thread
        if thread is not None and self.release.is_set():
            thread.join(60)
        return self.count


def target_of(folder: Path, text: str = REPOSITORY) -> Target:
    (folder / "package.json").write_text('{"name": "shop"}')
    (folder / "flowhealth.toml").write_text(text)
    return load_target(folder, {}, folder)


def test_it_looks_three_seconds_after_the_start_and_then_every_hour(tmp_path: Path) -> None:
    target = target_of(tmp_path)
    looks = Looks(tmp_path / "history.db", WITH_TOKEN)

    counts = [looks.at(target, at) for at in (0, 1, 3, 4, 3_600, 3_603, 3_604, 7_203)]

    assert counts == [0, 0, 1, 1, 1, 2, 2, 3]


def test_a_look_that_hangs_delays_nobody_and_is_not_repeated(tmp_path: Path) -> None:
    target = target_of(tmp_path)
    looks = Looks(tmp_path / "history.db", WITH_TOKEN)
    looks.release.clear()
    for at in (0.0, 10.0, 4_000.0, 8_000.0):
        looks.at(target, at)
    wait_for(lambda: looks.count)
    assert looks.count == 1
    looks.release.set()


@pytest.mark.parametrize(("text", "environ"), [("", WITH_TOKEN), (REPOSITORY, {})])
def test_without_a_repository_or_a_token_it_does_not_look(
    tmp_path: Path, text: str, environ: dict[str, str]
) -> None:
    target = target_of(tmp_path, text)
    looks = Looks(tmp_path / "history.db", environ)
    assert [looks.at(target, at) for at in (0, 10, 5_000)] == [0, 0, 0]
    assert looks.hourly.told() == []


def test_a_problem_is_reported_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = target_of(tmp_path)
    looks = Looks(tmp_path / "history.db", WITH_TOKEN)
    results: list[Any] = ["no token", "no token", ValueError(), "no token"]

    def see_to(*_: object) -> Done:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return Done(problem=result, remedy="do it")

    monkeypatch.setattr(chore, "see_to", see_to)
    reported = []
    for at in (0, 3, 3_603, 7_203, 10_803):
        looks.at(target, at)
        reported.append([facts["problem"] for _, facts in looks.hourly.told()])
    failed = "they can't be seen to: ValueError"
    assert reported == [[], ["no token; do it"], [], [failed], ["no token; do it"]]


def test_an_unusable_history_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"garbage" * 1_000)
    done = chore.see_to(path, target_of(tmp_path), WITH_TOKEN, lambda _: [BASE])
    assert "the history can't be used" in (done.problem or "")

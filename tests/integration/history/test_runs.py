"""--health-history, --health-compare, --health-suggest: whole runs."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from tests.plugin.conftest import Health

CHECK = """
import os
@pytest.mark.health("app")
@pytest.mark.threshold("latency.p95", warn=500, fail=5000, unit="ms")
def test_speed(health):
    base = float(os.environ.get("BASE", "10"))
    health.measure("latency", [base + step / 100 for step in range(40)], "ms")
    health.measure("count", 3, "1")
"""
KEEP = ("--health-history", "sqlite:///h.db")


def repeat(run: Health, times: int) -> None:
    """Keep some unchanged runs."""
    for _ in range(times):
        assert run(CHECK, *KEEP).exit_code == 0


def test_runs_are_kept_and_their_trend_is_shown(run: Health, tmp_path: Path) -> None:
    repeat(run, 2)
    result = run(CHECK, *KEEP)

    assert "trends over the last 3 runs" in result.out
    assert "app.latency.p95" in result.out
    (trend,) = result.health["trends"]
    assert (len(trend["values"]), trend["change"]) == (3, 0)
    assert result.health["history"]["kept"]
    with closing(sqlite3.connect(tmp_path / "h.db")) as file:
        assert file.execute("SELECT count(*) FROM runs").fetchone() == (3,)
        assert file.execute("SELECT max(count) FROM measurements").fetchone() == (40,)


def test_samples_come_from_workers_too(run: Health, tmp_path: Path) -> None:
    run(CHECK, *KEEP, "-n", "2")
    with closing(sqlite3.connect(tmp_path / "h.db")) as file:
        assert file.execute("SELECT max(count) FROM measurements").fetchone() == (40,)


def test_a_regression_warns(run: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    early = run(CHECK, *KEEP, "--health-compare")
    (first, _) = early.health["comparisons"]
    assert (first["outcome"], first["reason"]) == ("neutral", "0 earlier runs, 5 are needed")
    repeat(run, 5)
    assert run(CHECK, *KEEP, "--health-compare").exit_code == 0

    monkeypatch.setenv("BASE", "14")
    result = run(CHECK, *KEEP, "--health-compare")
    assert (result.exit_code, result.outcomes) == (1, {"app.speed": "warn"})
    assert (
        "app.latency 14.2 ms is 39% worse than the median of the last"
        in result.check("app.speed")["message"]
    )
    assert run(CHECK, *KEEP).exit_code == 0


def test_a_run_to_compare_with_is_named(run: Health) -> None:
    repeat(run, 1)
    missing = run(CHECK, *KEEP, "--health-compare=2001")
    assert missing.exit_code == 4
    assert "there is no run '2001'; the newest are 20" in missing.out + missing.err
    assert run(CHECK, *KEEP, "--health-compare=latest").exit_code == 0


def test_thresholds_are_suggested(run: Health, tmp_path: Path) -> None:
    repeat(run, 6)
    argv = [sys.executable, "-m", "pytest", "--health-suggest", *KEEP]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    limits = tomllib.loads(done.stdout)["thresholds"]["app.latency.p95"]
    assert 10 < limits["warn"] < limits["fail"] < 50
    assert "0 would have warned, 0 failed" in done.stdout


@pytest.mark.parametrize("option", ["--health-compare", "--health-suggest"])
def test_without_a_history(run: Health, option: str) -> None:
    result = run(CHECK, option)
    assert result.exit_code == 4
    assert "needs a history: --health-history sqlite:///" in result.out + result.err


def test_an_address_that_is_none(run: Health) -> None:
    result = run(CHECK, "--health-history", "h.db")
    assert result.exit_code == 4
    assert "sqlite:///PATH" in result.out + result.err


def test_the_verdict_does_not_suffer(run: Health, tmp_path: Path) -> None:
    (tmp_path / "h.db").write_bytes(b"not a database at all" * 50)
    result = run(CHECK, *KEEP)
    assert result.exit_code == 0
    assert "was broken" in result.health["history"]["problem"]
    assert "history: kept as" in result.out

    (tmp_path / "folder").write_text("a file")
    result = run(CHECK, "--health-history", "sqlite:///folder/h.db")
    assert (result.exit_code, result.health["history"]["kept"]) == (0, False)
    assert "history: not kept as" in result.out


def test_a_file_of_a_newer_version_is_a_usage_error(run: Health, tmp_path: Path) -> None:
    repeat(run, 1)
    with closing(sqlite3.connect(tmp_path / "h.db")) as file:
        file.execute("PRAGMA user_version = 99")
    result = run(CHECK, *KEEP)
    assert result.exit_code == 4
    assert "newer version" in result.out + result.err

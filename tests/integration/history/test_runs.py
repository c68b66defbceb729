"""--health-history, --health-compare and `flowhealth history suggest` with a file: whole runs."""

import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.kit.runs import RunChecks, run_flowhealth

CHECK = """
@pytest.mark.health("app")
@pytest.mark.threshold("latency.p95", warn=500, fail=5000, unit="ms")
def test_speed(health):
    base = float(os.environ.get("BASE", "10"))
    health.measure("latency", [base + step / 100 for step in range(40)], "ms")
    health.measure("count", 3, "1")
"""
KEEP = ("--health-history", "sqlite:///h.db")


def row(path: Path, question: str) -> Any:
    with closing(sqlite3.connect(path / "h.db")) as file:
        return file.execute(question).fetchone()


def test_kept_runs_show_trends_find_a_regression_and_suggest_thresholds(
    run_checks: RunChecks, tmp_path: Path
) -> None:
    early = run_checks(CHECK, *KEEP, "--health-compare")
    (first, _) = early.health["comparisons"]
    assert (first["outcome"], first["reason"]) == ("neutral", "0 earlier runs, 5 are needed")
    assert early.health["history"]["kept"]
    for _ in range(3):
        assert run_checks(CHECK, *KEEP).exit_code == 0
    # Samples are kept also where a worker took them.
    unchanged = run_checks(CHECK, *KEEP, "--health-compare", "-n", "1")

    assert unchanged.exit_code == 0
    assert "trends over the last 5 runs" in unchanged.out
    assert "app.latency.p95" in unchanged.out
    (trend,) = unchanged.health["trends"]
    assert (len(trend["values"]), trend["change"]) == (5, 0)
    assert row(tmp_path, "SELECT count(*) FROM runs") == (5,)
    assert row(tmp_path, "SELECT min(count) FROM measurements WHERE count > 1") == (40,)

    suggested = run_flowhealth(
        tmp_path, "history", "suggest", "--history", KEEP[-1].removeprefix("--health-history=")
    )
    assert suggested.exit_code == 0, suggested.err
    limits = tomllib.loads(suggested.out)["thresholds"]["app.latency.p95"]
    assert 10 < limits["warn"] < limits["fail"] < 50
    assert "0 would have warned, 0 failed" in suggested.out

    run_checks(CHECK, *KEEP)
    trends = run_flowhealth(tmp_path, "history", "--history", "sqlite:///h.db")
    assert trends.exit_code == 4, "the group itself has no options"
    trends = run_flowhealth(tmp_path, "history", "trends", "--history", "sqlite:///h.db")
    by_metric = {line.split()[0]: line.split()[1:] for line in trends.out.splitlines() if line}
    assert by_metric["app.latency.p95"] == [
        "6",
        *["10.37", "ms", "10.37", "ms", "+0%", "steady", "app.speed"],
    ]
    assert by_metric["app.count"] == ["6", "3", "3", "+0%", "steady", "app.speed"]
    assert trends.out.count(" healthy ") == 5

    slow = {"BASE": "14"}
    regression = run_checks(CHECK, *KEEP, "--health-compare", env=slow)
    assert (regression.exit_code, regression.outcomes) == (1, {"app.speed": "warn"})
    says = "app.latency 14.2 ms is 39% worse than the median of the last"
    assert says in regression.check("app.speed")["message"]
    assert run_checks(CHECK, *KEEP, env=slow).exit_code == 0, "only a comparison warns"

    missing = run_checks(CHECK, *KEEP, "--health-compare=2001")
    assert missing.exit_code == 4
    assert "there is no run '2001'; the newest are 20" in missing.err
    assert run_checks(CHECK, *KEEP, "--health-compare=latest").exit_code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--health-compare",), "needs a history: --health-history sqlite:///"),
        (("--health-history", "h.db"), "sqlite:///PATH"),
    ],
)
def test_missing_or_wrong_address_of_a_history_is_a_usage_error(
    run_checks: RunChecks, words: tuple[str, ...], says: str
) -> None:
    result = run_checks(CHECK, *words)

    assert result.exit_code == 4
    assert says in result.err


def test_history_that_is_broken_or_cannot_be_written_changes_no_verdict(
    run_checks: RunChecks, tmp_path: Path
) -> None:
    (tmp_path / "h.db").write_bytes(b"not a database at all" * 50)
    result = run_checks(CHECK, *KEEP)
    assert result.exit_code == 0
    assert "was broken" in result.health["history"]["problem"]
    assert "history: kept as" in result.out

    (tmp_path / "folder").write_text("a file")
    result = run_checks(CHECK, "--health-history", "sqlite:///folder/h.db")
    assert (result.exit_code, result.health["history"]["kept"]) == (0, False)
    assert "history: not kept as" in result.out

"""The history's speed and size: 90 days of minute roll-ups of 60 metrics, 24 h of samples of 12.

    python benchmarks/history.py [--days 90] [--metrics 60]

Beside it what a user would pick instead: a file of JSON lines, one a minute and metric, read whole;
measured on a tenth of it, since the whole takes minutes to write.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pytest_flowhealth.history import query
from pytest_flowhealth.history.database import connect
from pytest_flowhealth.history.rollup import HOUR, MINUTE, Rollup, make_rollup
from pytest_flowhealth.history.store import add_rollups, add_samples

NOW = 1_700_000_000 // HOUR * HOUR
DAY = 86_400


def main() -> None:
    """Fill a history, ask it, and print medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--metrics", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        _measure(Path(name), options.days, options.metrics)


def _measure(folder: Path, days: int, metrics: int) -> None:
    path = folder / "history.db"
    file = connect(path, wait=5)
    since = NOW - days * DAY
    pool = _pool()
    began = time.perf_counter()
    for number in range(metrics):
        minutes = {at: random.choice(pool) for at in range(since, NOW, MINUTE)}
        add_rollups(file, f"m{number}", minutes)
    _tell(
        f"{days} days of minutes of {metrics} metrics: written in", time.perf_counter() - began, "s"
    )
    size = sum(one.stat().st_size for one in folder.glob("history.db*"))
    _tell("  size", size / 2**20, "MiB")
    ask: dict[str, tuple[float, int]] = {
        "all of it, 600 points": (days * DAY, 600),
        "a week, 600 points": (7 * DAY, 600),
        "a day, 600 points": (DAY, 600),
        "a day, 1,440 points": (DAY, 1_440),
    }
    for label, (seconds, points) in ask.items():
        _tell(
            f"  {label}",
            _median(partial(query.read_series, file, "m7", NOW - seconds, NOW, points)),
            "ms",
        )
    _compared(folder, days, metrics, pool)
    for number in range(12):
        values = [(NOW - DAY + second, random.random()) for second in range(DAY)]
        add_samples(file, {f"s{number}": values})
    _tell("24 h of samples of 12 metrics: size in all", path.stat().st_size / 2**20, "MiB")
    for label, (seconds, points) in {
        "a day, 600 points": (DAY, 600),
        "an hour, 3,600 points": (HOUR, 3_600),
    }.items():
        _tell(
            f"  {label}",
            _median(partial(query.read_series, file, "s7", NOW - seconds, NOW, points)),
            "ms",
        )
    file.close()


def _compared(folder: Path, days: int, metrics: int, pool: list[Rollup]) -> None:
    lines = folder / "history.jsonl"
    with lines.open("w") as file:
        for at in range(NOW - days * DAY // 10, NOW, MINUTE):
            for number in range(metrics):
                one = random.choice(pool)
                told = {
                    "at": at,
                    "metric": f"m{number}",
                    "count": one.count,
                    "mean": one.total / one.count,
                    "p95": one.greatest,
                }
                file.write(json.dumps(told) + "\n")

    def ask() -> list[object]:
        with lines.open() as file:
            return [one for line in file if (one := json.loads(line))["metric"] == "m7"]

    _tell(f"JSON lines, {days / 10:g} days: size", lines.stat().st_size / 2**20, "MiB")
    _tell("  all of it", _median(ask, 3), "ms")


def _pool() -> list[Rollup]:
    return [
        make_rollup(random.lognormvariate(number % 7, 0.3) for _ in range(60))
        for number in range(500)
    ]


def _median(ask: Callable[[], object], times: int = 11) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        taken.append(1_000 * (time.perf_counter() - began))
    return statistics.median(taken)


def _tell(label: str, value: float, unit: str) -> None:
    sys.stdout.write(f"{label:<60} {value:10.2f} {unit}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

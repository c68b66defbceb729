"""Results of checks and records of runs, made by hand."""

import datetime
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.report import HostInfo, Report, Summary, TargetInfo
from pytest_flowhealth.domain.root_causes import RunProblem, attribute_root_causes, derive_verdict
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.history.run_record import MeasurementRecord, RunRecord
from pytest_flowhealth.history.run_record import OutcomeRecord as Ended


def check(name: str, outcome: Outcome, **more: object) -> CheckResult:
    """Return the result of a check, whose fields are those of `CheckResult`."""
    settings: dict[str, object] = {
        "nodeid": name,
        "component": name.partition(".")[0],
        "critical": True,
        "duration": 0.0,
        "message": f"{name} is {outcome.value}",
        "remedy": f"mend {name}",
        "blocked_by": None,
        "attempts": 1,
        "measurements": (),
        "thresholds": (),
        "details": {},
    }
    return CheckResult(id=name, outcome=outcome, **(settings | more))  # type: ignore[arg-type]


def health(*checks: CheckResult, problems: Sequence[RunProblem] = (), **fields: Any) -> Report:
    """Return the report on these checks, as the program itself judges them together."""
    verdict = derive_verdict(attribute_root_causes(checks), problems)
    counts = {one.value.replace("pass", "passed"): n for one, n in verdict.counts.items()}
    report = Report(
        status=verdict.status,
        exit_code=verdict.status.exit_code,
        reasons=verdict.reasons,
        started=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        duration=1.5,
        target=TargetInfo("shop", "1.0.0", "shop"),
        host=HostInfo("h", "Linux", "6", "x", "3.11", 2),
        summary=Summary(**counts),
        components=verdict.components,
        checks=verdict.checks,
    )
    return msgspec.structs.replace(report, **fields)


def entry(
    uid: str = "r1", started: float | None = None, /, **samples: tuple[float, ...]
) -> RunRecord:
    """Return the record of a run with samples (in ms) by the names of their metrics."""
    return RunRecord(
        uid=uid,
        started=time.time() if started is None else started,
        duration=1.0,
        status="healthy",
        target="app",
        version="1.0.0",
        fingerprint="f",
        outcomes=(Ended("redis.command", "redis", "pass", 0.1, ""),),
        taken=tuple(MeasurementRecord(name, "ms", values) for name, values in samples.items()),
        report=b"",
    )


def uids(path: Path) -> set[str]:
    """Return the runs in a history, as any reader sees them."""
    with closing(sqlite3.connect(path)) as file:
        return {uid for (uid,) in file.execute("SELECT uid FROM runs")}

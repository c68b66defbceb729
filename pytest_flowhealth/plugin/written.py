"""Makes the report's document from a verdict, or from a run that has none yet."""

from __future__ import annotations

import datetime
import os
import platform
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.report import Document, Host, Report, Summary, TargetInfo, summary_of
from pytest_flowhealth.domain.root_causes import Verdict
from pytest_flowhealth.domain.run_history import Comparison, Trend
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.plugin.scrub import Cleaner
from pytest_flowhealth.plugin.state import Run


def unfinished(root: Path, reasons: Iterable[str], exit_code: int = 3) -> Document:
    """Return the document of a run that has no verdict: unknown, for `reasons`."""
    health = Report(
        status=Status.UNKNOWN,
        exit_code=exit_code,
        reasons=tuple(reasons),
        started=datetime.datetime.now(datetime.UTC),
        duration=0.0,
        target=TargetInfo(None, None, str(root)),
        host=_host(),
        summary=Summary(),
        components={},
        checks=(),
    )
    return Document(
        time.time(), 0.0, exit_code, str(root), {}, {"total": 0, "collected": 0}, (), health
    )


class LookedBack(msgspec.Struct, frozen=True):
    """What earlier runs say of this one."""

    trends: tuple[Trend, ...] = ()
    comparisons: tuple[Comparison, ...] = ()


def look_back(run: Run, results: list[CheckResult]) -> tuple[list[CheckResult], LookedBack]:
    """Return the checks, regressions told where that is asked for, and what earlier runs say."""
    if run.memory is None:
        return results, LookedBack()
    for worker in run.recorder.workers:
        run.samples.update(worker.samples)
    results, comparisons = run.memory.compared(results, run.samples)
    return results, LookedBack(run.memory.trends(results, run.samples), comparisons)


def document_of(
    run: Run, verdict: Verdict, exit_code: int, shown: tuple[Cleaner, LookedBack]
) -> Document:
    """Return the whole document of a run, with every text made safe to show."""
    clean, past = shown
    duration = time.perf_counter() - run.start
    config = run.config
    workers = run.recorder.workers
    deselected = max([run.recorder.deselected, *(worker.deselected for worker in workers)])
    health = Report(
        status=verdict.status,
        exit_code=exit_code,
        reasons=tuple(clean.text(reason) for reason in verdict.reasons),
        started=run.started,
        duration=duration,
        target=_target(run, clean),
        host=_host(),
        summary=summary_of(verdict.summary),
        components=verdict.components,
        checks=verdict.checks,
        not_asked=run.not_asked or _first(worker.not_asked for worker in workers),
        deselected=deselected,
        trends=past.trends,
        comparisons=past.comparisons,
    )
    entries = run.recorder.entries
    collected = len(run.recorder.collected)
    return Document(
        created=time.time(),
        duration=duration,
        exitcode=exit_code,
        root=str(config.rootpath),
        environment=clean.tree(_environment(config)),
        summary=entries.summary(collected=collected, deselected=deselected),
        tests=clean.tree(entries.tests()),
        health=health,
    )


def _target(run: Run, clean: Cleaner) -> TargetInfo:
    name, version = run.target.name, run.target.version
    return TargetInfo(
        name=None if name is None else clean.text(name),
        version=None if version is None else clean.text(version),
        path=str(run.target.root),
    )


def _host() -> Host:
    return Host(
        name=platform.node(),
        system=platform.system(),
        release=platform.release(),
        machine=platform.machine(),
        python=platform.python_version(),
        cpus=os.cpu_count(),
    )


def _environment(config: pytest.Config) -> dict[str, Any]:
    """Return what pytest-metadata, which pytest-json-report brings, knows of the environment."""
    try:
        from pytest_metadata.plugin import metadata_key
    except ImportError:
        return {}
    return dict(config.stash.get(metadata_key, {}))


def _first(choices: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return next((one for one in choices if one), ())

"""Run one check on a project in this process, and judge it as a run of the command would.

What a check requires is not looked at: only its own outcome, message and remedy count here.
"""

import contextlib
import datetime
import functools
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from pytest_flowhealth.config import target as targets
from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.domain.checks import (
    CheckResult,
    CheckSpec,
    Phase,
    PhaseOutcome,
    evaluate_check,
    evaluate_thresholds,
)
from pytest_flowhealth.domain.thresholds import parse_threshold
from pytest_flowhealth.errors import FlowHealthError, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.plugin.execution.fixture import Health
from pytest_flowhealth.plugin.execution.prefetch import _names
from pytest_flowhealth.plugin.execution.running_check import RunningCheck
from pytest_flowhealth.plugin.install_reports import count_install_reports
from pytest_flowhealth.probes.project import NpmProject


def run_check(
    check: Callable[..., object],
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    **answers: Any,
) -> CheckResult:
    """Run the function `check` on the project in `folder`, whose flowhealth.toml is read.

    Args:
        check: A function with the marker `health`.
        folder: The project.
        env: Variables that configure it.
        answers: Results of prefetched fixtures, by name, instead of asking them; an exception is
            raised.
    """
    targets._manifest.cache_clear()
    targets._packages.cache_clear()
    target = load_target(folder, env or {}, folder)
    state = RunningCheck(_declaration(check))
    project = NpmProject(target.root)
    own: dict[str, Any] = {"health": Health(state), "target": target, "npm_project": project}
    own |= {name: value for name, value in answers.items() if name not in own}
    with contextlib.closing(project):
        given = _fixtures(check, check, own)
        ending, message = _run(check, given, state)

    def passed(when: str) -> Phase:
        return Phase(when, PhaseOutcome.PASSED)

    phases = [passed("setup"), Phase("call", ending, 0.0, message), passed("teardown")]
    state.attempt.phases += phases
    return evaluate_check(state.spec, state.to_run(), datetime.date(2026, 1, 1))


def assert_outcome(
    result: CheckResult, outcome: str, *says: str, remedy: str | None = None
) -> None:
    """Assert how a check ended, and that its message has the words of `says`.

    `remedy` is the expected remedy, where one is expected.
    """
    assert result.outcome == outcome, result
    for words in says:
        assert words in result.message, result.message
    assert remedy in (None, result.remedy), result.remedy


def _declaration(check: Callable[..., object]) -> CheckSpec:
    # pytest keeps the marks in the order of application: the last decorator first.
    marks = list(reversed(check.pytestmark))  # type: ignore[attr-defined]
    health = next(mark for mark in marks if mark.name == "health")
    (component,) = health.args
    return CheckSpec(
        f"{component}.{check.__name__.removeprefix('test_')}",
        nodeid="",
        component=component,
        location="",
        critical=health.kwargs.get("critical", True),
        remedy=health.kwargs.get("remedy"),
        thresholds=tuple(
            parse_threshold(*mark.args, **mark.kwargs) for mark in marks if mark.name == "threshold"
        ),
    )


def _fixtures(
    function: Callable[..., object], check: Callable[..., object], own: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the value of each fixture that a function names."""
    return {name: _fixture(name, check, own) for name in inspect.signature(function).parameters}


def _fixture(name: str, check: Callable[..., object], own: Mapping[str, Any]) -> Any:
    """Return a fixture's value: the given one, otherwise what the fixture's function returns.

    A given value of a prefetched fixture is put into a future, any other into a function.
    """
    if name in ("health", "target", "npm_project"):
        return own[name]
    if name in own:
        return _future(own[name]) if name in _names else functools.partial(_give, own[name])
    if name == "install_reports":
        return functools.partial(count_install_reports, own["target"])
    if name == "redis_probe":
        from pytest_flowhealth.probes.redis import RedisProbe

        return RedisProbe.from_target(own["target"])
    function = check.__globals__[name]._get_wrapped_function()
    return function(**_fixtures(function, check, own))


def _future(answer: Any) -> Future[Any]:
    future: Future[Any] = Future()
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
    return future


def _give(result: Any) -> Any:
    if isinstance(result, Exception):
        raise result
    return result


def _run(
    check: Callable[..., object], given: Mapping[str, Any], state: RunningCheck
) -> tuple[PhaseOutcome, str]:
    try:
        check(**given)
    except NotApplicable as error:
        return PhaseOutcome.SKIPPED, error.message
    except FlowHealthError as error:
        ending = (
            PhaseOutcome.UNAVAILABLE
            if isinstance(error, MeasurementUnavailable)
            else PhaseOutcome.FAILED
        )
        state.note_outcome("call", ending, error.message, error.remedy, error.diagnosis)
        return ending, error.message
    thresholds = evaluate_thresholds(state.spec.thresholds, state.attempt.series.values())
    past = any(one.outcome.severity > 1 for one in thresholds)
    return (PhaseOutcome.THRESHOLDS if past else PhaseOutcome.PASSED), ""

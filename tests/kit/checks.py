"""Run one check on a project in this process, and judge it as a run of the command would.

What a check requires is not looked at: only its own outcome, message and remedy count here.
"""

import datetime
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_flowhealth.config import target as targets
from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.errors import FlowHealthError, NotApplicable, Unmeasured
from pytest_flowhealth.plugin.answers import _QUESTIONS
from pytest_flowhealth.plugin.health import CheckState, Health
from pytest_flowhealth.verdict.check import (
    CheckResult,
    Declaration,
    Ending,
    Phase,
    judge_check,
)
from pytest_flowhealth.verdict.threshold import declare


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
        answers: Results of `answer` functions, by name, instead of asking them; an exception is
            raised.
    """
    targets._manifest.cache_clear()
    targets._packages.cache_clear()
    target = load_target(folder, env or {}, folder)
    state = CheckState(_declaration(check))
    own: dict[str, Any] = {"health": Health(state.notes), "target": target}
    names = inspect.signature(check).parameters
    given = {name: own.get(name) or _answer(name, target, answers) for name in names}
    ending, message = _run(check, given, state)

    def passed(when: str) -> Phase:
        return Phase(when, Ending.PASSED)

    return judge_check(
        state.evidence(),
        [passed("setup"), Phase("call", ending, 0.0, message), passed("teardown")],
        datetime.date(2026, 1, 1),
    )


def assert_outcome(
    result: CheckResult, outcome: str, *says: str, remedy: str | None = None
) -> None:
    """Assert how a check ended, and that its message has the words of `says`.

    Anything but a pass or a skip must have a remedy; `remedy` is the expected one.
    """
    assert result.outcome == outcome, result
    for words in says:
        assert words in result.message, result.message
    assert result.remedy or outcome in {"pass", "skip"}, result
    assert remedy in (None, result.remedy), result.remedy


def _declaration(check: Callable[..., object]) -> Declaration:
    # pytest keeps the marks in the order of application: the last decorator first.
    marks = list(reversed(check.pytestmark))  # type: ignore[attr-defined]
    health = next(mark for mark in marks if mark.name == "health")
    (component,) = health.args
    return Declaration(
        f"{component}.{check.__name__.removeprefix('test_')}",
        nodeid="",
        component=component,
        location="",
        critical=health.kwargs.get("critical", True),
        remedy=health.kwargs.get("remedy"),
        thresholds=tuple(
            declare(*mark.args, **mark.kwargs) for mark in marks if mark.name == "threshold"
        ),
    )


def _answer(name: str, target: targets.Target, answers: Mapping[str, Any]) -> Callable[[], Any]:
    def give() -> Any:
        given = answers[name] if name in answers else _QUESTIONS[name].ask(target)
        if isinstance(given, Exception):
            raise given
        return given

    return give


def _run(
    check: Callable[..., object], given: Mapping[str, Any], state: CheckState
) -> tuple[Ending, str]:
    try:
        check(**given)
    except NotApplicable as error:
        return Ending.SKIPPED, error.message
    except FlowHealthError as error:
        ending = Ending.UNMEASURED if isinstance(error, Unmeasured) else Ending.FAILED
        state.end("call", ending, error.message, error.remedy)
        return ending, error.message
    past = any(one.outcome.severity > 1 for one in state.judge())
    return (Ending.THRESHOLDS if past else Ending.PASSED), ""

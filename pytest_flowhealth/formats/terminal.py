"""Render a report for a terminal or a CI log: the verdict, the reasons, then the commands to type.

Nothing depends on colour alone.
"""

from __future__ import annotations

import collections
import textwrap
from collections.abc import Iterable, Iterator

import msgspec

from pytest_flowhealth.domain.checks import CheckResult, unit_suffix
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.root_causes import Component
from pytest_flowhealth.domain.run_history import HistoryEntry
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.domain.text import format_number, one_line
from pytest_flowhealth.domain.thresholds import ThresholdResult
from pytest_flowhealth.formats.figure_table import (
    render_figures,
    render_recommendations,
    render_trends,
)
from pytest_flowhealth.formats.style import OUTCOME_STYLES, STATUS_STYLES, Line

_NAMES = {"passed": "pass"}
_REASONS_SHOWN = 5
_MESSAGE_LINES = 12


def render_lines(
    health: Report,
    *,
    width: int = 80,
    terse: bool = False,
    table: bool = False,
    report: str | None = None,
) -> list[Line]:
    """Return the lines for `health`, none wider than `width` where words allow it.

    `terse` leaves out the components and the skipped; `table` adds every
    measured figure with its limits; `report` names the file that was written.
    """
    lines = [*_headline(health, width), *_reasons(health, width)]
    if not terse:
        lines += _section(_components(health, width))
    if table and not terse:
        lines += _section(render_figures(health, width))
        lines += _section(render_recommendations(health, width))
    if not terse:
        lines += _section(render_trends(health, width))
    for check in _problems(health):
        lines += [[], *_problem(check, health, width)]
    if not terse:
        lines += _section(_addresses(health, width))
        lines += _section(_skipped(health, width))
        lines += _section(_render_closing(health, width, report))
    return lines


def _headline(health: Report, width: int) -> Iterator[Line]:
    """Yield the status with the target and the counts, the counts below where they do not fit."""
    target = " ".join(part for part in (health.target.name, health.target.version) if part)
    counts = {
        _NAMES.get(name, name): count
        for name, count in msgspec.structs.asdict(health.summary).items()
    }
    total = sum(counts.values())
    checks = f"{total} check{'' if total == 1 else 's'} in {health.duration:.1f} s"
    numbers = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    summary = f"{checks}: {numbers}" if numbers else checks
    word = health.status.value.upper()
    style = f"bold {STATUS_STYLES[health.status]}"
    if len(f"{word}  {target}  {summary}") <= width:
        yield [
            (word, style),
            ("  ".join(["", target, summary] if target else ["", summary]), "plain"),
        ]
    else:
        yield [(word, style), (f"  {target}", "plain")]
        yield [(f"  {summary}", "plain")]


def _reasons(health: Report, width: int) -> Iterator[Line]:
    shown = health.reasons[:_REASONS_SHOWN]
    for reason in shown:
        for number, piece in enumerate(
            textwrap.wrap(one_line(reason, 300), max(width - 4, 20)) or [""]
        ):
            yield [("  - " if number == 0 else "    ", "plain"), (piece, "plain")]
    hidden = len(health.reasons) - len(shown)
    if hidden:
        yield [(f"  - and {hidden} more, below", "plain")]


def _components(health: Report, width: int) -> Iterator[Line]:
    checks = {check.id: check for check in health.checks}
    longest = max((len(name) for name in health.components), default=0)
    for name, component in health.components.items():
        members = [checks[name] for name in component.checks]
        status, style = _find_state(component, members, checks)
        lead = f"  {name:<{longest}}  "
        room = max(width - len(lead) - 11, 20)
        yield [
            (lead, "plain"),
            (f"{status:<9}", style),
            (f"  {_shorten(_summarize_component(members), room)}", "plain"),
        ]


def _find_state(
    component: Component, members: list[CheckResult], checks: dict[str, CheckResult]
) -> tuple[str, str]:
    if component.status is not None:
        return component.status.value, STATUS_STYLES[component.status]
    causes = [checks[check.blocked_by] for check in members if check.blocked_by in checks]
    blocked = any(cause.outcome is not Outcome.SKIP for cause in causes)
    return ("blocked" if blocked else "skipped"), "faint"


def _summarize_component(members: list[CheckResult]) -> str:
    """Return the measurement nearest to its limits, or beyond them; else what is wrong, or how many pass."""
    open_checks = [check for check in members if not check.blocked_by]
    judged = [
        threshold
        for check in open_checks
        for threshold in check.thresholds
        if threshold.observed is not None
    ]
    nearest = max(judged, key=_rank_closeness, default=None)
    worst = max(open_checks, key=lambda check: check.outcome.severity, default=None)
    if worst and worst.outcome.severity > (nearest.outcome.severity if nearest else 0):
        return one_line(worst.message)
    if nearest:
        return _compare_with_limits(nearest)
    passed = sum(check.outcome is Outcome.PASS for check in members)
    if passed:
        blocked = len(members) - len(open_checks)
        return f"{passed} of {len(members)} pass" + (f", {blocked} blocked" if blocked else "")
    unblocked_first = sorted(members, key=lambda check: check.blocked_by is not None)
    return next((one_line(check.message) for check in unblocked_first if check.message), "")


def _rank_closeness(judged: ThresholdResult) -> tuple[int, float]:
    limit = judged.fail if judged.fail is not None else judged.warn
    if judged.observed is None or limit is None:
        return judged.outcome.severity, 0.0
    part, whole = (judged.observed, limit) if judged.better == "lower" else (limit, judged.observed)
    return judged.outcome.severity, part / whole if whole else float(part > 0)


def _compare_with_limits(judged: ThresholdResult) -> str:
    if judged.observed is None:
        return judged.note or ""
    return f"{judged.name} {format_number(judged.observed)}{unit_suffix(judged.unit)} ({_format_limits(judged)})"


def _format_limits(judged: ThresholdResult) -> str:
    side = "above" if judged.better == "lower" else "below"
    limits = {"warn": judged.warn, "fail": judged.fail}
    texts = [
        f"{name} {side} {format_number(limit)}"
        for name, limit in limits.items()
        if limit is not None
    ]
    return ", ".join(texts) + unit_suffix(judged.unit)


def _problems(health: Report) -> list[CheckResult]:
    problems = [
        check for check in health.checks if check.outcome not in (Outcome.PASS, Outcome.SKIP)
    ]
    return sorted(problems, key=lambda check: -(check.status or Status.HEALTHY).severity)


def _problem(check: CheckResult, health: Report, width: int) -> Iterator[Line]:
    note = "" if check.critical or check.outcome is Outcome.WARN else "  (not critical)"
    yield [
        (f"{check.outcome.value.upper():<7}", f"bold {OUTCOME_STYLES[check.outcome]}"),
        (f" {check.id}", "bold"),
        (note, "faint"),
    ]
    yield from _indent(check.message, width)
    for judged in check.thresholds:
        if judged.outcome is not Outcome.PASS and _has_relevant_limits(judged, check):
            yield from _indent(f"limits: {_format_limits(judged)} ({judged.source})", width)
    blocked = [other.id for other in health.checks if other.blocked_by == check.id]
    if blocked:
        yield from _indent(f"blocks {', '.join(blocked)}", width)
    for word, text in check.advice.items():
        style = "bold" if word == "fix" else "plain"
        yield [(f"        {word}: ", "plain"), (one_line(text), style)]


def _has_relevant_limits(judged: ThresholdResult, check: CheckResult) -> bool:
    """Tell whether the limits matter: not where the body failed before it could measure."""
    return judged.observed is not None or check.outcome is Outcome.UNKNOWN


def _indent(message: str, width: int) -> Iterator[Line]:
    lines = message.splitlines()
    for line in lines[:_MESSAGE_LINES]:
        for piece in textwrap.wrap(line, max(width - 8, 20), break_on_hyphens=False) or [""]:
            yield [(f"        {piece}", "plain")]
    if len(lines) > _MESSAGE_LINES:
        yield [(f"        ... and {len(lines) - _MESSAGE_LINES} more lines", "faint")]


def _addresses(health: Report, width: int) -> Iterator[Line]:
    """Yield the address that each component was checked at, and the setting that it comes from."""
    for check in health.checks:
        address, origin = (check.details.get(name) for name in ("address", "origin"))
        if isinstance(address, str) and isinstance(origin, str):
            line = f"{check.component}: {address} ({origin})"
            for piece in textwrap.wrap(one_line(line, 400), width, break_on_hyphens=False):
                yield [(piece, "faint")]


def _skipped(health: Report, width: int) -> Iterator[Line]:
    """Yield the skipped checks, each with the reason; what one of them blocks is only counted."""
    elsewhere = {check.id for check in _problems(health)}  # shown with what they block
    elsewhere |= {check.id for check in health.checks if check.outcome is Outcome.SKIP}
    skipped = [
        check
        for check in health.checks
        if check.outcome is Outcome.SKIP and check.blocked_by not in elsewhere
    ]
    blocked = collections.Counter(check.blocked_by for check in health.checks)
    if not skipped:
        return
    yield [("skipped", "bold")]
    longest = min(max(len(check.id) for check in skipped), 30)
    for check in skipped:
        lead = f"  {check.id:<{longest}}  "
        message = one_line(check.message)
        if blocked[check.id]:
            message += f" (blocks {blocked[check.id]} more)"
        pieces = textwrap.wrap(message, max(width - len(lead), 20)) or [""]
        yield [(lead, "plain"), (pieces[0], "faint")]
        for piece in pieces[1:]:
            yield [(" " * len(lead), "plain"), (piece, "faint")]


def _render_closing(health: Report, width: int, report: str | None) -> Iterator[Line]:
    if health.not_asked:
        names = ", ".join(health.not_asked)
        asked = f"not asked for: {names} (--health-component NAME, --health-all)"
        for piece in textwrap.wrap(asked, width, break_on_hyphens=False):
            yield [(piece, "faint")]
    if health.deselected:
        yield [(f"left out by your selection: {health.deselected}", "faint")]
    if health.history is not None:
        yield from _history(health.history, width)
    if report:
        yield [(f"report: {report}", "faint")]


def _history(stored: HistoryEntry, width: int) -> Iterator[Line]:
    """Yield whether the run is in the history, and what is wrong with that."""
    state = "kept" if stored.kept else "not kept yet" if stored.waiting else "not kept"
    why = f": {stored.problem}" if stored.problem else ""
    rest = "; it waits, and is taken in as soon as that is over" if stored.waiting else ""
    style = "faint" if stored.problem is None else "warn"
    for piece in textwrap.wrap(
        one_line(f"history: {state} as {stored.run}{why}{rest}", 400), width
    ):
        yield [(piece, style)]


def _section(lines: Iterable[Line]) -> list[Line]:
    body = list(lines)
    return [[], *body] if body else []


def _shorten(line: str, room: int) -> str:
    return line if len(line) <= room else f"{line[: room - 3]}..."

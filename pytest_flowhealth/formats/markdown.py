"""Markdown with tables (GitHub's dialect), for issues, merge requests, job summaries and chat.

https://github.github.com/gfm/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from pytest_flowhealth.domain.checks import CheckResult, unit_suffix
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.domain.text import escape_mentions, format_number, one_line
from pytest_flowhealth.formats.figures import (
    count_outcomes,
    describe_target,
    find_blocked,
    find_run_reasons,
    iterate_figures,
    make_safe,
    name_figure,
    sort_by_severity,
)

_LEFT_OUT = "\n\nMore than has room here: the report has the rest.\n"
_CELL = 300
_WRONG = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.WARN)


def render(health: Report, room: int | None = None) -> str:
    """Return a run as Markdown, within `room` bytes if given; empty if nothing fits."""
    blocks = _blocks(health)
    return "".join(blocks if room is None else _within(blocks, room))


def _blocks(health: Report) -> Iterator[str]:
    """Yield the blocks that are kept whole: a heading, a paragraph, a row of a table."""
    yield f"## {health.status.value.capitalize()}: {_text(describe_target(health))}\n\n"
    when = f"{health.started:%Y-%m-%d %H:%M:%S} UTC on {_text(health.host.name)}"
    yield f"{_text(count_outcomes(health))} in {format_number(health.duration)} s, {when}\n"
    reasons = find_run_reasons(health)
    if reasons:
        yield "\n### The run itself\n\n"
        yield from (f"- {_text(reason)}\n" for reason in reasons)
    wrong = [check for check in sort_by_severity(health) if check.outcome in _WRONG]
    if wrong:
        yield "\n### What is wrong\n"
        waiting = find_blocked(health)
        yield from (_problem(check, waiting[check.id]) for check in wrong)
    for title, head, rows in _tables(health):
        if rows:
            yield f"\n### {title}\n\n"
            yield _row(head) + _row(["---"] * len(head))
            yield from (_row([_text(cell) for cell in row]) for row in rows)


def _tables(health: Report) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    yield (
        "Components",
        ["component", "status", "checks"],
        [
            [name, each.status.value if each.status else "skipped", str(len(each.checks))]
            for name, each in health.components.items()
        ],
    )
    yield (
        "Checks",
        ["check", "outcome", "seconds", "message"],
        [
            [check.id, check.outcome.value, format_number(check.duration), check.message]
            for check in sort_by_severity(health)
        ],
    )
    yield (
        "Figures",
        ["measured", "value", "warns", "fails", "outcome"],
        [row for check in health.checks for row in _figures(check)],
    )


def _figures(check: CheckResult) -> Iterator[list[str]]:
    for reading in iterate_figures(check):
        value = f"{format_number(reading.value)}{unit_suffix(reading.unit)}"
        row = [name_figure(check, reading), value, "", "", ""]
        if reading.judged is not None:
            side = "above" if reading.judged.better == "lower" else "below"
            limits = (reading.judged.warn, reading.judged.fail)
            texts = ["" if limit is None else f"{side} {format_number(limit)}" for limit in limits]
            row[2:] = [*texts, reading.judged.outcome.value]
        yield row


def _problem(check: CheckResult, waiting: Sequence[str]) -> str:
    light = "" if check.critical or check.outcome is Outcome.WARN else " (not critical)"
    text = f"\n**{check.outcome.value.upper()}** {_text(check.id)}{light}\n"
    if check.message:
        text += f"\n{_fence(check.message)}"
    if waiting:
        text += f"\nBlocks: {_text(', '.join(waiting))}\n"
    for word, advice in check.advice.items():
        text += f"\n{word.capitalize()}:\n\n{_fence(advice)}"
    return text


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _text(text: str) -> str:
    """Escape a line: no table bars, links, mentions, HTML or emphasis."""
    escaped = re.sub(r"([\\`*_\[\]<>&|~#!])", r"\\\1", escape_mentions(one_line(text, _CELL)))
    # What would begin a list or a heading at the start of a line, and what would become a link.
    escaped = re.sub(r"^([-+=](?=[-+=\s]|$)|\d+(?=[.)](?:\s|$)))", _not_begun, escaped)
    return escaped.replace("://", "\\://")


def _not_begun(found: re.Match[str]) -> str:
    return f"{found[0]}\\" if found[0].isdecimal() else f"\\{found[0]}"


def _fence(text: str) -> str:
    """Return a code block whose fence is longer than any in the text."""
    shown = make_safe(text)
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{shown}\n{fence}\n"


def _within(blocks: Iterable[str], room: int) -> Iterator[str]:
    left = room - len(_LEFT_OUT)
    for number, block in enumerate(blocks):
        left -= len(block.encode())
        if left < 0:
            if number:
                yield _LEFT_OUT
            return
        yield block

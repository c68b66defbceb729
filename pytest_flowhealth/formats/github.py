"""GitHub's annotations: workflow commands, which its runner takes from a step's output.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.domain.text import one_line, printable
from pytest_flowhealth.formats import markdown
from pytest_flowhealth.formats.figures import (
    count_outcomes,
    describe_target,
    find_blocked,
    find_run_reasons,
    make_safe,
    sort_by_severity,
)

ANNOTATIONS = 10
"""Maximum number of annotations of a kind that GitHub shows for a step; it drops the others silently."""

SUMMARY = 1024 * 1024
"""Maximum size of a step's summary in bytes; GitHub drops a longer one."""

_MESSAGE = 4_000
_KINDS = {Outcome.FAIL: "error", Outcome.UNKNOWN: "error", Outcome.WARN: "warning"}


class Annotation(msgspec.Struct, frozen=True):
    """One annotation; `location` is file:line as seen from the repository's root."""

    title: str
    message: str
    location: str | None = None


def render(health: Report) -> str:
    """Return errors, warnings, and the verdict as a notice; the worst first."""
    lines: list[str] = []
    for kind in ("error", "warning"):
        lines += [
            _make_command(kind, annotation)
            for annotation in _limit_annotations(list(_iterate_annotations(kind, health)))
        ]
    verdict = Annotation(
        f"{health.status.value.capitalize()}: {describe_target(health)}",
        "; ".join((count_outcomes(health), *health.reasons[:1])),
    )
    return "\n".join([*lines, _make_command("notice", verdict), ""])


def render_summary(health: Report, room: int = SUMMARY) -> str:
    """Return the table for a job's summary, within `room` bytes; empty if nothing fits."""
    return markdown.render(health, room)


def _iterate_annotations(kind: str, health: Report) -> Iterator[Annotation]:
    # The reasons of a run itself are at most as severe as its status.
    own = "warning" if health.status is Status.DEGRADED else "error"
    if kind == own:
        for reason in find_run_reasons(health):
            yield Annotation(f"The run is {health.status.value}", reason)
    waiting = find_blocked(health)
    for check in sort_by_severity(health):
        if _KINDS.get(check.outcome) == kind:
            yield _make_annotation(check, waiting[check.id])


def _make_annotation(check: CheckResult, waiting: Sequence[str]) -> Annotation:
    lines = [check.message or check.outcome.value]
    if waiting:
        lines.append(f"blocks: {', '.join(waiting)}")
    lines += [f"{word}: {text}" for word, text in check.advice.items()]
    light = "" if check.critical or check.outcome is Outcome.WARN else " (not critical)"
    title = f"{check.outcome.value}: {check.id}{light}"
    return Annotation(title, "\n".join(lines), check.location)


def _limit_annotations(found: Sequence[Annotation]) -> Sequence[Annotation]:
    """Return the annotations that GitHub shows; the last one lists the others."""
    if len(found) <= ANNOTATIONS:
        return found
    more = found[ANNOTATIONS - 1 :]
    names = "\n".join(annotation.title for annotation in more)
    last = Annotation(f"{len(more)} more", f"{names}\nThe job's summary has all of them.")
    return [*found[: ANNOTATIONS - 1], last]


def _make_command(kind: str, annotation: Annotation) -> str:
    properties = [
        *_iterate_location(annotation.location),
        f"title={_escape_property(one_line(annotation.title, 200))}",
    ]
    return (
        f"::{kind} {','.join(properties)}::{_escape_data(printable(annotation.message, _MESSAGE))}"
    )


def _iterate_location(location: str | None) -> Iterator[str]:
    """Yield the file and the line; nothing for a file outside the repository."""
    file, _, line = (location or "").rpartition(":")
    if file and line.isdecimal() and not file.startswith(("/", "..")):
        yield f"file={_escape_property(make_safe(file))}"
        yield f"line={line}"


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")

"""A Nagios plugin's output: https://www.monitoring-plugins.org/doc/guidelines.html .

The exit codes 0 to 3 are pytest's own here, and fit. Nagios keeps 8 KiB of an output and cuts a figure
in two where that ends, so less is written, whole figures only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.domain.thresholds import ThresholdResult
from pytest_flowhealth.domain.units import UNITS, convert
from pytest_flowhealth.formats.figures import (
    Figure,
    count_outcomes,
    describe_target,
    find_run_reasons,
    iterate_figures,
    name_figure,
    sort_by_severity,
    write_number,
)

LIMIT = 8_000
"""Maximum size of the output, in bytes."""

_FIGURES = 5_500
_FIRST = 300
_LONG = 400

_WORDS = {
    Status.HEALTHY: "OK",
    Status.DEGRADED: "WARNING",
    Status.UNHEALTHY: "CRITICAL",
    Status.UNKNOWN: "UNKNOWN",
}
_PLAIN = ("s", "ms", "us", "%")
"""The units that Nagios also has. Sizes are converted to bytes: KB and MB are ambiguous there."""

_ORDER = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.WARN, Outcome.SKIP, Outcome.PASS)


def render(health: Report) -> str:
    """Return the status line with the figures, and a line for each check, the worst first."""
    figures, left_out = _within(list(_figures(health)), _FIGURES)
    first = _first(health) + (f" | {' '.join(figures)}" if figures else "")
    lines = list(_lines(health))
    if left_out:
        lines.insert(0, f"{left_out} figures do not fit here")
    room = LIMIT - len(first.encode()) - len("\n... and 1000000 more\n")
    shown, cut = _within(lines, room)
    more = [f"... and {cut} more"] if cut else []
    return "\n".join([first, *shown, *more, ""])


def _first(health: Report) -> str:
    text = f"{_WORDS[health.status]}: {describe_target(health)} is {health.status.value}: {count_outcomes(health)}"
    if health.reasons:
        text = f"{text}: {health.reasons[0]}"
    return _plain(text, _FIRST)


def _lines(health: Report) -> Iterator[str]:
    for reason in find_run_reasons(health):
        yield _plain(f"{health.status.value.upper()} the run: {reason}", _LONG)
    for check in sorted(sort_by_severity(health), key=lambda check: _ORDER.index(check.outcome)):
        message = f": {check.message}" if check.message else ""
        yield _plain(f"{check.outcome.value.upper()} {check.id}{message}", _LONG)
        for word, text in check.advice.items():
            yield _plain(f"  {word}: {text}", _LONG, indent="  ")


def _figures(health: Report) -> Iterator[str]:
    seen: set[str] = set()
    for check in health.checks:
        for reading in iterate_figures(check):
            label = _label(name_figure(check, reading))
            # If two checks have the same measurement, the first counts, as everywhere.
            if label not in seen:
                seen.add(label)
                yield _figure(label, reading)


def _figure(label: str, reading: Figure) -> str:
    """Return ``'label'=value[UOM];[warn];[crit]``; minimum and maximum are left out."""
    size = reading.unit in UNITS and UNITS[reading.unit].kind == "size"
    unit = "B" if size else reading.unit
    shown = unit if size or unit in _PLAIN else ""

    def number(value: float) -> str:
        return write_number(convert(value, reading.unit, unit) if size else value)

    limits = ""
    if reading.judged is not None:
        warn, fail = (
            "" if limit is None else _range(reading.judged, number(limit))
            for limit in (reading.judged.warn, reading.judged.fail)
        )
        limits = f";{warn};{fail}".rstrip(";")
    return f"'{label}'={number(reading.value)}{shown}{limits}"


def _range(judged: ThresholdResult, limit: str) -> str:
    """Return the range without an alarm: ``10`` is 0 to 10, ``~:10`` below it too, ``40:`` from 40 on."""
    if judged.better == "higher":
        return f"{limit}:"
    below = limit.startswith("-") or (judged.observed or 0.0) < 0
    return f"~:{limit}" if below else limit


def _label(name: str) -> str:
    """Return a label without the characters that would end it: quotes, equals signs and bars."""
    return re.sub(r"['=|\"]", "_", one_line(name))


def _plain(text: str, limit: int, indent: str = "") -> str:
    """Return one line without bars, which would start the performance data."""
    line = one_line(text).replace("|", "/")
    return indent + (line if len(line) <= limit else f"{line[: limit - 3]}...")


def _within(pieces: Iterable[str], room: int) -> tuple[list[str], int]:
    """Return the pieces that fit, each with a separator, and the number of those that do not."""
    fitting: list[str] = []
    left = 0
    for piece in pieces:
        size = len(piece.encode()) + 1
        if left or size > room:
            left += 1
            continue
        fitting.append(piece)
        room -= size
    return fitting, left

"""A page of one run in a single file, in the style of the monitor's page; it loads nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape as escape_markup
from importlib import resources

from pytest_flowhealth.domain.checks import CheckResult, describe_limit, unit_suffix
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.formats.figures import (
    count_outcomes,
    find_blocked,
    iterate_figures,
    make_safe,
    sort_by_severity,
)

_SIGNS = {
    "healthy": "✓",
    "pass": "✓",
    "degraded": "!",
    "warn": "!",
    "unknown": "?",
    "unhealthy": "✕",
    "fail": "✕",
    "skip": "\u2013",
}
_WRONG = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.WARN)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def render(health: Report) -> str:
    """Return a run as HTML; all texts are escaped."""
    name = health.target.name or health.target.path
    title = f"{health.status.value.capitalize()}: {name} {health.target.version or ''}".strip()
    style = resources.files("pytest_flowhealth").joinpath("web/static/style.css")
    return "\n".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="generator" content="pytest-flowhealth">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(title)}</title><style>{style.read_text(encoding='utf-8')}</style></head>",
            f"<body><main>{''.join(_parts(health, title))}</main></body></html>",
            "",
        )
    )


def _parts(health: Report, title: str) -> Iterator[str]:
    status = health.status.value
    yield f'<h1 class="verdict" data-status="{status}"><span aria-hidden="true">{_SIGNS[status]}</span>'
    yield f"<span>{escape(title)}</span></h1>"
    yield f'<p class="quiet">{health.started:%Y-%m-%d %H:%M:%S} UTC on {escape(health.host.name)}, '
    yield f"{format_number(health.duration)} s: {count_outcomes(health)}</p>"
    yield from _list(health.reasons)
    causes = [
        check
        for check in sort_by_severity(health)
        if check.outcome in _WRONG and check.blocked_by is None
    ]
    if causes:
        yield '<h2>What is wrong</h2><div class="wrong">'
        waiting = find_blocked(health)
        yield from (_problem(check, waiting[check.id]) for check in causes)
        yield "</div>"
    yield "<h2>Components</h2>"
    for name in health.components:
        yield _component(
            name, [check for check in health.checks if check.component == name], health
        )


def _list(reasons: Iterable[str]) -> Iterator[str]:
    yield '<ul class="plain reasons">'
    yield from (f"<li>{escape(reason)}</li>" for reason in reasons)
    yield "</ul>"


def _problem(check: CheckResult, waiting: Sequence[str]) -> str:
    more = f'<p class="small quiet">Blocks: {escape(", ".join(waiting))}</p>'
    remedy = f'<p class="remedy"><code>{escape(check.remedy)}</code></p>' if check.remedy else ""
    if check.diagnosis:
        remedy += f'<p class="small">See: {escape(check.diagnosis)}</p>'
    return (
        f'<article class="card" data-status="{check.outcome.value}"><h3>{_badge(check.outcome.value)} '
        f'{escape(check.id)}</h3><p class="message">{escape(check.message)}</p>{remedy}'
        f"{more if waiting else ''}</article>"
    )


def _component(name: str, checks: list[CheckResult], health: Report) -> str:
    status = health.components[name].status
    head = f"<h3>{escape(name)} {_badge(status.value if status else 'skip')}</h3>"
    rows = "".join(_row(check) for check in checks)
    columns = "".join(
        f'<th scope="col">{heading}</th>' for heading in ("Check", "Outcome", "Figures")
    )
    return f'{head}<div class="scroll"><table><thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(check: CheckResult) -> str:
    figures = "; ".join(_figures(check)) or check.message
    return (
        f'<tr><th scope="row">{escape(check.id)}</th><td>{_badge(check.outcome.value)}</td>'
        f'<td class="wide">{escape(figures)}</td></tr>'
    )


def _figures(check: CheckResult) -> Iterator[str]:
    """Yield the measurements with their limits, and those that are missing."""
    for each in check.thresholds:
        # A skipped check has no measurements.
        if each.observed is not None or check.outcome is not Outcome.SKIP:
            yield describe_limit(each)
    for reading in iterate_figures(check):
        if reading.judged is None:
            yield f"{reading.name} {format_number(reading.value)}{unit_suffix(reading.unit)}"


def escape(text: str) -> str:
    """Return `text` as it stands in a page: no markup, no control characters."""
    return escape_markup(make_safe(text))


def _badge(word: str) -> str:
    return f'<span class="badge" data-status="{word}"><span aria-hidden="true">{_SIGNS[word]}</span><span>{word}</span></span>'

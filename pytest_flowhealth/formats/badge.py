"""A status badge: an SVG image with a label and a status, which reveals nothing else."""

from __future__ import annotations

from xml.sax.saxutils import escape

from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Status

COLORS = {
    Status.HEALTHY: "#17694f",
    Status.DEGRADED: "#8a5300",
    Status.UNHEALTHY: "#b3261e",
    Status.UNKNOWN: "#55616b",
}
"""Dark enough for white text: at least 4.5 to 1 (WCAG 2.2, 1.4.3)."""

LABEL = "health"

_LABEL_COLOR = "#333b41"
_LONGEST = 60
_CHARACTER, _PADDING, _HEIGHT = 7, 6, 20


def render(health: Report) -> str:
    """Return the badge of a run: its status."""
    return render_badge(LABEL, health.status.value, COLORS[health.status])


def render_badge(label: str, message: str, color: str) -> str:
    """Return an SVG image with a label on the left and a message on the right.

    Args:
        label: What it is about; a long one is shortened.
        message: The status, or another short text.
        color: The background of the message, as in CSS.
    """
    label = _shorten(label)
    left, right = _width(label), _width(message)
    title = _escape(f"{label}: {message}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}" '
        f'role="img" aria-label="{title}"><title>{title}</title>'
        f'<rect width="{left}" height="{_HEIGHT}" fill="{_LABEL_COLOR}"/>'
        f'<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{color}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f"{_text(label, 0, left)}{_text(message, left, right)}</g></svg>\n"
    )


def _shorten(text: str) -> str:
    printable = "".join(letter for letter in text if letter.isprintable())
    return printable if len(printable) <= _LONGEST else f"{printable[: _LONGEST - 1]}…"


def _escape(text: str) -> str:
    return escape(text, {'"': "&quot;"})


def _width(text: str) -> int:
    return _CHARACTER * len(text) + 2 * _PADDING


def _text(text: str, left: int, width: int) -> str:
    """Return a text that fits whatever font the reader has."""
    length = width - 2 * _PADDING
    return f'<text x="{left + _PADDING}" y="14" textLength="{length}">{_escape(text)}</text>'

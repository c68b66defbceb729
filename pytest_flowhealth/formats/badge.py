"""A status badge as SVG, for a README or a status page; it needs no font and no other file.

https://shields.io describes the flat style that readers of such badges know.
"""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import one_line

LABEL = "health"

COLORS = {
    Status.HEALTHY: "#257942",
    Status.DEGRADED: "#8a6100",
    Status.UNHEALTHY: "#b3261e",
    Status.UNKNOWN: "#555",
}
"""Background colours; white text on each has a contrast of at least 4.5 (WCAG 2.1, 1.4.3)."""

_HEIGHT, _PADDING, _BASELINE = 20, 6, 14
_NARROW, _WIDE = 7.0, 9.0
_LONGEST = 60


def render(health: Report) -> str:
    """Return the badge of a run's status."""
    return render_badge(LABEL, health.status.value, COLORS[health.status])


def render_badge(label: str, message: str, color: str) -> str:
    """Return a badge with two parts: `label` on grey, `message` on `color`."""
    label, message = one_line(label, _LONGEST), one_line(message, _LONGEST)
    left, right = _measure(label), _measure(message)
    width = left + right
    title = f"{label}: {message}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" data-generator="pytest-flowhealth" width="{width}" '
        f'height="{_HEIGHT}" role="img" aria-label={quoteattr(title)}>',
        f"<title>{escape(title)}</title>",
        f'<clipPath id="round"><rect width="{width}" height="{_HEIGHT}" rx="3"/></clipPath>',
        '<g clip-path="url(#round)" fill="#fff" text-anchor="middle" '
        'font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">',
        f'<rect width="{left}" height="{_HEIGHT}" fill="#444"/>',
        f'<rect x="{left}" width="{right}" height="{_HEIGHT}" fill={quoteattr(color)}/>',
        _render_text(label, left / 2, left),
        _render_text(message, left + right / 2, right),
        "</g>",
        "</svg>",
    ]
    return "\n".join([*parts, ""])


def _render_text(text: str, middle: float, width: int) -> str:
    room = width - 2 * _PADDING
    return f'<text x="{middle:g}" y="{_BASELINE}" textLength="{room}">{escape(text)}</text>'


def _measure(text: str) -> int:
    """Return the width of a part; `textLength` makes the text fit whatever the font is."""
    width = sum(_NARROW if character.isascii() else _WIDE for character in text)
    return round(width) + 2 * _PADDING

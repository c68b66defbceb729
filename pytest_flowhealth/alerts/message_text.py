"""Render messages as text: a title and a body."""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Iterator

from pytest_flowhealth.alerts.message import Alert, Message
from pytest_flowhealth.domain.text import format_number, printable

_SHOWN, _NAMED = 10, 20
_WIDTH = 78


def make_title(message: Message) -> str:
    """Return one line: what, how bad, where."""
    where = f"{message.target} on {message.instance or message.host}"
    if message.kind == "test":
        return f"[TEST] {where}: this is a test, nothing is wrong"
    names = [alert.name for alert in message.alerts]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    word = {"firing": message.severity, "reminder": "still", "flapping": "flapping"}
    kind = word.get(message.kind, message.kind).upper()
    return printable(f"[{kind}] {where}: {names[0]}{more}")


def make_body(message: Message, limit: int | None = None) -> str:
    """Return the alerts with their evidence, each with its cause and what to type.

    Args:
        message: The message.
        limit: The characters that its receiver accepts. Of a longer text it has fewer alerts in full,
            and the names of the others; what is still too long is cut.
    """
    for shown in range(min(_SHOWN, len(message.alerts)), 0, -1):
        text = _render_body(message, shown)
        if limit is None or len(text) <= limit:
            return text
    text = _render_body(message, min(1, len(message.alerts)))
    return text if limit is None or len(text) <= limit else f"{text[: max(0, limit - 1)]}…"


def _render_body(message: Message, shown: int) -> str:
    parts = ["Sent by flowhealth alerts test."] if message.kind == "test" else []
    parts += ["\n".join(_render_alert(alert)) for alert in message.alerts[:shown]]
    rest = message.alerts[shown:]
    if rest:
        names = ", ".join(alert.name for alert in rest[:_NAMED])
        others = f" and {len(rest) - _NAMED} others" if len(rest) > _NAMED else ""
        parts.append(_wrap(f"and {len(rest)} more: {names}{others}"))
    return "\n\n".join(parts)


def _render_alert(alert: Alert) -> Iterator[str]:
    was = "" if alert.resolved is None else "it was: "
    yield _wrap(f"{alert.name} ({alert.severity}): {was}{alert.summary}")
    if alert.resolved is None:
        yield f"  since {_format_time(alert.since)}" + (
            ", changing too often" if alert.flapping else ""
        )
    else:
        yield f"  over since {_format_time(alert.resolved)}, after {_format_duration(alert.resolved - alert.since)}"
    if alert.blocked and alert.resolved is None:
        yield _wrap(f"blocks {len(alert.blocked)}: {', '.join(alert.blocked)}", "  ")
    if alert.remedy and alert.resolved is None:
        yield f"  fix: {printable(alert.remedy)}"
    if alert.runbook and alert.resolved is None:
        yield f"  see: {printable(alert.runbook)}"


def _wrap(text: str, indent: str = "") -> str:
    return textwrap.fill(
        printable(text),
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _format_time(moment: datetime.datetime) -> str:
    return f"{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"


def _format_duration(lasted: datetime.timedelta) -> str:
    seconds = max(0.0, lasted.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{format_number(round(seconds, 1))} s"

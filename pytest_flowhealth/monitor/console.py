"""The monitor's output: text with a status line at a terminal, JSON lines elsewhere."""

from __future__ import annotations

import datetime
import json
import shutil
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import msgspec

from pytest_flowhealth.alerts.engine import TrackedAlert
from pytest_flowhealth.alerts.message import Message
from pytest_flowhealth.alerts.message_text import make_body, make_title
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import format_number, printable
from pytest_flowhealth.monitor.stream_writer import StreamWriter


class StatusLine(msgspec.Struct, frozen=True):
    """How things are: the last verdict and when it was, what fires, when the next round is (in s)."""

    status: Status | None
    at: datetime.datetime | None
    firing: Sequence[TrackedAlert]
    next: float | None
    late: int
    running: bool


class Console:
    """Tells what happens: with words and a status line at a terminal, else as JSON lines."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._writer = StreamWriter(self._out)
        self._words = self._out.isatty()
        self._line = ""

    @property
    def gone(self) -> bool:
        """Whether there was a terminal, and it was closed."""
        return self._words and not self._out.isatty()

    def round_ended(self, facts: dict[str, Any], reasons: Sequence[str]) -> None:
        """Tell a round: its status, seconds, components and reasons."""
        if not self._words:
            self._json("round", facts | {"reasons": list(reasons)})
            return
        parts = ", ".join(f"{name} {status}" for name, status in facts["components"].items())
        self._say(f"{facts['status'].upper()}  {parts}  ({format_number(facts['seconds'])} s)")
        for reason in reasons[:5]:
            self._say(f"  {reason}")

    def message(self, message: Message) -> None:
        """Tell an alert's message: the receiver of type console."""
        if self._words:
            for line in (
                make_title(message),
                *(f"  {line}" for line in make_body(message).splitlines()),
            ):
                self._say(line)
        else:
            self._json("alert", json.loads(msgspec.json.encode(message)))

    def problem(self, text: str) -> None:
        """Tell what is wrong with the monitor itself."""
        if self._words:
            self._say(f"monitor: {text}")
        else:
            self._json("problem", {"text": text})

    def event(self, what: str, **facts: Any) -> None:
        """Tell a small event, such as the begin and the end."""
        if self._words:
            details = ", ".join(f"{name} {value}" for name, value in facts.items() if value)
            self._say(f"monitor: {what}{f': {details}' if details else ''}")
        else:
            self._json(what, facts)

    def show_status(self, now: StatusLine) -> None:
        """Keep the status line up to date."""
        if not self._words:
            return
        width = shutil.get_terminal_size().columns - 1
        line = printable(_render_line(now))[:width]
        if line != self._line:
            self._writer.say(f"\r\x1b[K{line}")
            self._line = line

    def close(self) -> None:
        """End the status line, and say what is still to be said."""
        if self._line:
            self._writer.say("\r\x1b[K")
            self._line = ""
        self._writer.close()

    @property
    def lost(self) -> int:
        """How much nobody took, and is lost."""
        return self._writer.lost

    def _say(self, text: str) -> None:
        clear, self._line = ("\r\x1b[K" if self._line else ""), ""
        self._writer.say(
            f"{clear}{datetime.datetime.now().astimezone():%H:%M:%S} {printable(text)}\n"
        )

    def _json(self, event: str, facts: dict[str, Any]) -> None:
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        self._writer.say(json.dumps({"at": at, "event": event, **facts}) + "\n")


def _render_line(now: StatusLine) -> str:
    parts = []
    if now.running:
        parts.append("a round runs")
    elif now.next is not None:
        parts.append(f"next round in {max(0.0, now.next):.0f} s")
    if now.status is not None and now.at is not None:
        parts.append(f"last {now.status.value.upper()} at {now.at.astimezone():%H:%M:%S}")
    names = [alert.subject.name for alert in now.firing]
    if names:
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        parts.append(f"{len(names)} firing: {shown}")
    else:
        parts.append("no alert fires")
    if now.late:
        parts.append(f"{now.late} late")
    return " | ".join(parts)

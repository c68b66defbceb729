"""Shorten failures to one sentence, and sanitize pytest's reports."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest

from pytest_flowhealth.domain.text import Redactor, find_secrets, one_line, printable
from pytest_flowhealth.plugin.reporting.sanitizer import Sanitizer

_LINES = 6


def summarize(error: BaseException) -> str:
    """Return what `error` says, with its type and place where it is no plain failure."""
    text = "\n".join(_message_lines(error)[:_LINES])
    if isinstance(error, (pytest.fail.Exception, pytest.skip.Exception)):
        return text or "failed"
    if isinstance(error, pytest.FixtureLookupError):
        return error.msg or f"fixture {error.argname!r} not found"
    if isinstance(error, AssertionError):
        return text or f"an assertion failed{_location(error)}"
    return (
        f"{type(error).__name__}: {text}{_location(error)}"
        if text
        else f"{type(error).__name__}{_location(error)}"
    )


def short_message(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return the line of a report's long text that says what went wrong."""
    if isinstance(report.longrepr, tuple):  # of a skip: path, line, reason
        return one_line(str(report.longrepr[-1]).removeprefix("Skipped: "))
    lines = [
        line.removeprefix("E").strip()
        for line in report.longreprtext.splitlines()
        if line.startswith("E ")
    ]
    lines = (
        lines or [line.strip() for line in report.longreprtext.splitlines() if line.strip()][-1:]
    )
    return one_line(lines[0] if lines else "no reason given")


def show_path(path: Path, folder: Path) -> str:
    """Return a path relative to the folder where the command was typed, if it is in there."""
    try:
        return str(path.resolve().relative_to(folder.resolve()))
    except ValueError:
        return str(path)


def make_usage_error(text: str) -> pytest.UsageError:
    """Return the error that pytest prints as it is, without secrets and control characters."""
    redact = Redactor(find_secrets(os.environ))
    return pytest.UsageError(printable(redact(text), limit=20_000))


def sanitize_report(report: pytest.TestReport, sanitizer: Sanitizer) -> None:
    """Take secrets and what a terminal would act on out of the report's texts."""

    def safe(text: str) -> str:
        return sanitizer.text(text, 20_000)

    if isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        report.longrepr = (path, line, safe(reason))
    elif report.longrepr is not None:
        text = report.longreprtext
        if safe(text) != text:
            report.longrepr = safe(text)
    report.sections = [(title, safe(body)) for title, body in report.sections]


def _message_lines(error: BaseException) -> list[str]:
    """Return the lines of the message; of an assertion that has one of its own, not pytest's comparison."""
    lines = _text(error).splitlines()
    if isinstance(error, AssertionError):
        own = [number for number, line in enumerate(lines) if number and line.startswith("assert ")]
        return lines[: own[0]] if own else lines
    return lines


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # an exception's own __str__ may raise anything
        return safe_repr(error)


def _location(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""


def safe_repr(value: object) -> str:
    """Return the repr of `value`, at most 2,000 characters, whatever its own methods do."""
    try:
        return repr(value)[:2_000]
    except Exception:  # noqa: BLE001  # an object's own __repr__ may raise anything
        return f"<{type(value).__name__}>"

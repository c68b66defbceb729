"""Writes a verdict to the terminal, by its width and colour, and pytest's own -q."""

from __future__ import annotations

import os

import pytest

from pytest_flowhealth.formats.style import Line
from pytest_flowhealth.formats.terminal import render
from pytest_flowhealth.plugin.state import Conclusion, Run

_MARKUP: dict[str, dict[str, bool]] = {
    "plain": {},
    "bold": {"bold": True},
    "good": {"green": True},
    "warn": {"yellow": True},
    "bad": {"red": True},
    "unknown": {"purple": True},
    "faint": {"light": True},
}
_WIDEST = 100


def show(run: Run, conclusion: Conclusion, reporter: pytest.TerminalReporter) -> None:
    """Write the verdict by the terminal's width and colour, and pytest's own -q."""
    options = run.config.option
    verbosity = options.verbose
    lines = render(
        conclusion.document.health,
        width=min(reporter._tw.fullwidth, _WIDEST),  # noqa: SLF001  # pytest offers no other
        terse=verbosity < 0,
        table=verbosity > 0 or bool(options.health_all or options.health_component),
        report=_shown_path(run),
    )
    for line in lines[:1] if verbosity < -1 else lines:
        _write(reporter, line)


def _write(reporter: pytest.TerminalReporter, line: Line) -> None:
    for part, style in line:
        markup = {key: value for name in style.split() for key, value in _MARKUP[name].items()}
        reporter.write(part, **markup)
    reporter.write_raw("\n")


def _shown_path(run: Run) -> str | None:
    if run.report is None:
        return None
    relative = os.path.relpath(run.report, run.config.invocation_params.dir)
    return str(run.report) if relative.startswith("..") else relative

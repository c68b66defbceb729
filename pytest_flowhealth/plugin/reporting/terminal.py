"""What a health check shows on the terminal while it runs, and its verdict at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import Any, TextIO, cast

import pytest
from _pytest.config import create_terminal_writer

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.report import Document
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.domain.text import Redactor, find_secrets, printable
from pytest_flowhealth.formats.style import Line
from pytest_flowhealth.formats.terminal import render_lines
from pytest_flowhealth.plugin.reporting.messages import show_path
from pytest_flowhealth.plugin.reporting.stdout import discard_stdout
from pytest_flowhealth.plugin.run import RUN, HealthRun

_LETTERS = {
    Outcome.PASS: ".",
    Outcome.WARN: "w",
    Outcome.FAIL: "F",
    Outcome.UNKNOWN: "?",
    Outcome.SKIP: "s",
}
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


class RedactingFile:
    """A text file without secrets, whatever pytest or another plugin writes to it."""

    def __init__(self, file: TextIO, redact: Redactor) -> None:
        self._file = file
        self.redact = redact

    def write(self, text: str) -> int:
        """Write `text` without secrets; if the reader has gone or the disk is full, discard it."""
        try:
            self._file.write(self.redact(text).encode("utf-8", "backslashreplace").decode())
        except OSError as error:
            discard_stdout(error)
        return len(text)

    def flush(self) -> None:
        """Flush the file behind; if that fails, nothing more is written."""
        try:
            self._file.flush()
        except OSError as error:
            discard_stdout(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class HealthReporter(pytest.TerminalReporter):  # type: ignore[misc]  # final, but pytest has no other way
    """Replace pytest's terminal reporter with --health: a letter for each check, by component.

    With -v a line for each check. Tracebacks of failing checks are shown only with -v or --tb.
    """

    def __init__(self, config: pytest.Config) -> None:
        file = RedactingFile(sys.stdout, Redactor(find_secrets(os.environ)))
        super().__init__(config, cast(TextIO, file))
        self._component = ""
        self._detailed = config.option.verbose > 0 or config.option.tbstyle != "auto"

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Show no header; who waits at a terminal sees at once what is checked."""
        self._session = session
        if self.isatty and self.config.option.verbose == 0 and RUN in self.config.stash:
            target = self.config.stash[RUN].target
            name = " ".join(filter(None, (target.name, target.version))) or str(target.root)
            self.write_line(f"checking {printable(name)}", light=True)
            self.flush()

    def pytest_collection(self) -> None:
        """Show nothing."""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what could not be collected."""
        if report.failed:
            self._add_stats("error", [report])

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Show the list with --collect-only, otherwise nothing."""
        if self.config.option.collectonly:
            self._printcollecteditems(session.items)

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """Show nothing: progress is shown by component."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the report."""
        category, _, _ = self.config.hook.pytest_report_teststatus(
            report=report, config=self.config
        )
        self._add_stats(category, [report])

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Show nothing."""

    def pytest_flowhealth_check_result(self, result: CheckResult) -> None:
        """Show the progress."""
        verbosity = self.config.option.verbose
        if verbosity > 0:
            name = printable(result.id)
            self.write_line(f"{result.outcome.value:<8} {name}  {result.duration:.2f} s")
        elif verbosity == 0:
            if result.component != self._component:
                full = self._width_of_current_line + len(result.component) + 10
                separator = "\n" if full > self._tw.fullwidth else "  "
                self.write(separator * bool(self._component) + f"{result.component} ")
                self._component = result.component
            self.write(_LETTERS[result.outcome], flush=True)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """End the line of progress."""
        result = yield
        self._end_progress()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(
        self,
        session: pytest.Session,  # noqa: ARG002  # the names are the hook's
        exitstatus: int | pytest.ExitCode,  # noqa: ARG002
    ) -> Generator[None, object, None]:
        """Show the tracebacks that were asked for; the verdict follows when pytest has ended."""
        yield
        self._end_progress()
        if self._detailed:
            self.summary_errors()
            self.summary_failures()
            if self.config.option.verbose > 0 or self.stats.keys() & {"error", "failed"}:
                self._tw.line()

    def pytest_internalerror(self, excrepr: object) -> bool:
        """Show the traceback of pytest or a plugin with -v only; it is one of the reasons anyway."""
        return super().pytest_internalerror(excrepr) if self._detailed else True  # type: ignore[arg-type]

    def pytest_unconfigure(self) -> None:
        """Show nothing: an interruption is one of the reasons."""

    def _end_progress(self) -> None:
        if self._component:
            self._component = ""
            self._tw.write("\n\n")


class TerminalTakeover:
    """Replace pytest's terminal reporter as soon as it is registered."""

    def pytest_plugin_registered(
        self, plugin: object, plugin_name: str, manager: pytest.PytestPluginManager
    ) -> None:
        """Replace the reporter before xdist and others take hold of it."""
        if plugin_name == "terminalreporter" and type(plugin) is pytest.TerminalReporter:
            manager.unregister(plugin)
            manager.register(HealthReporter(plugin.config), "terminalreporter")


def show_verdict(run: HealthRun, document: Document) -> None:
    """Write the verdict to the terminal, as wide and as detailed as the options say."""
    if not run.config.pluginmanager.hasplugin("terminal"):
        return
    options, path, here = run.config.option, run.report_path, run.config.invocation_params.dir
    verbosity = options.verbose
    file = RedactingFile(sys.stdout, run.sanitizer.redact)
    writer = create_terminal_writer(run.config, cast(TextIO, file))
    lines = render_lines(
        document.health,
        width=min(writer.fullwidth, _WIDEST),
        terse=verbosity < 0,
        table=verbosity > 0 or bool(options.health_all or options.health_component),
        report=None if path is None else printable(show_path(path, here)),
    )
    for line in lines[:1] if verbosity < -1 else lines:
        _write(writer, line)
    writer.flush()


def _write(writer: Any, line: Line) -> None:
    for part, style in line:
        markup = {key: value for name in style.split() for key, value in _MARKUP[name].items()}
        writer.write(part, **markup)
    writer.line()

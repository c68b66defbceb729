"""What a health check shows on the terminal while it runs and when it has ended."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import Any, TextIO, cast

import pytest

from pytest_flowhealth.domain.checks import Ending
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.domain.text import Redactor, printable, secrets_in
from pytest_flowhealth.plugin.finish import conclude
from pytest_flowhealth.plugin.keys import RUN
from pytest_flowhealth.plugin.recorder import Carried, carried_by
from pytest_flowhealth.plugin.shown import show
from pytest_flowhealth.plugin.state import Mode, Run
from pytest_flowhealth.plugin.stdout import give_up

_LETTERS = {
    "passed": ".",
    "skipped": "s",
    "failed": "F",
    "error": "E",
    "xfailed": "w",
    "xpassed": ".",
}


class RedactingFile:
    """A text file without secrets, whatever pytest or another plugin writes to it."""

    def __init__(self, file: TextIO, redact: Redactor) -> None:
        self._file = file
        self.redact = redact

    def write(self, text: str) -> int:
        """Write `text` without secrets; where the reader has gone or the disk is full, nowhere."""
        try:
            self._file.write(self.redact(text))
        except OSError as error:
            give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flush the file behind; where that fails, nothing more is written."""
        try:
            self._file.flush()
        except OSError as error:
            give_up(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class HealthReporter(pytest.TerminalReporter):  # type: ignore[misc]  # final, but pytest has no other way
    """Takes the terminal reporter's place with --health: progress, then the verdict.

    With -v a line for each check; failing checks' tracebacks only with -v or a --tb of one's own.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._file = RedactingFile(sys.stdout, Redactor(secrets_in(os.environ)))
        super().__init__(config, cast(TextIO, self._file))
        self._component = ""
        self._detailed = config.option.verbose > 0 or config.option.tbstyle != "auto"

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Show no header: what a person reads first is the verdict."""
        self._session = session
        self._file.redact = self.config.stash[RUN].redact

    def pytest_collection(self) -> None:
        """Show nothing."""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what could not be collected."""
        if report.failed:
            self._add_stats("error", [report])

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Show the list with --collect-only, else nothing."""
        if self.config.option.collectonly:
            self._printcollecteditems(session.items)

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """Show nothing: progress is shown by component."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the report and show progress."""
        category, _, _ = self.config.hook.pytest_report_teststatus(
            report=report, config=self.config
        )
        self._add_stats(category, [report])
        if category and self.config.option.verbose >= 0:
            self._progress(report, category)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Show nothing."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """End the line of progress."""
        result = yield
        self._end_progress()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(
        self,
        session: pytest.Session,
        exitstatus: int | pytest.ExitCode,  # noqa: ARG002  # the name is the hook's
    ) -> Generator[None, object, None]:
        """Conclude and show the verdict, after every other plugin has finished."""
        yield
        self._end_progress()
        run = self.config.stash[RUN]
        refused = any(worker.usage for worker in run.recorder.workers)
        if session.exitstatus != pytest.ExitCode.USAGE_ERROR and not refused:
            conclusion = conclude(run, int(session.exitstatus))
            session.exitstatus = conclusion.exit_code
            self._details()
            show(run, conclusion, self)

    def pytest_internalerror(self, excrepr: object) -> bool:
        """Show the traceback of pytest or a plugin with -v only; it is one of the reasons anyway."""
        return super().pytest_internalerror(excrepr) if self._detailed else True  # type: ignore[arg-type]

    def pytest_unconfigure(self) -> None:
        """Show nothing: an interruption is one of the reasons."""

    def _details(self) -> None:
        if self._detailed:
            self.summary_errors()
            self.summary_failures()

    def _progress(self, report: pytest.TestReport, category: str) -> None:
        carried = carried_by(report)
        verbose = self.config.option.verbose > 0
        if verbose and carried is not None:
            check = printable(carried.evidence.declaration.id)
            self.write_line(f"{category:<8} {check}  {report.duration:.2f} s")
            return
        component = carried.evidence.declaration.component if carried else self._component
        if component != self._component:
            full = self._width_of_current_line + len(component) + 10 > self._tw.fullwidth
            self.write(("\n" if full else "  ") * bool(self._component) + f"{component} ")
            self._component = component
        self.write(_letter(category, carried), flush=True)

    def _end_progress(self) -> None:
        if self._component:
            self._component = ""
            self.write_raw("\n\n")


def _letter(category: str, carried: Carried | None) -> str:
    """Return a check's letter: . pass, w warn, F fail, ? unknown, s skip; an error around it is E."""
    letter = _LETTERS.get(category, "?")
    if carried is None or letter not in ".F":
        return letter
    if carried.ending is Ending.UNMEASURED:
        return "?"
    outcomes = [one.outcome for one in carried.evidence.thresholds]
    if letter == "F" and outcomes and carried.ending is Ending.THRESHOLDS:
        return "F" if Outcome.FAIL in outcomes else "?"
    return (
        "w" if letter == "." and (carried.evidence.warnings or Outcome.WARN in outcomes) else letter
    )


class TerminalTakeover:
    """Puts our reporter in the place of pytest's, as soon as that one is registered."""

    def pytest_plugin_registered(
        self, plugin: object, plugin_name: str, manager: pytest.PytestPluginManager
    ) -> None:
        """Replace the reporter before xdist and others take hold of it."""
        if plugin_name == "terminalreporter" and type(plugin) is pytest.TerminalReporter:
            manager.unregister(plugin)
            manager.register(HealthReporter(plugin.config), "terminalreporter")


class AutoSummary:
    """Shows the verdict below pytest's own summary where everything collected is a check."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, exitstatus: int
    ) -> None:
        """Conclude and show."""
        if self._run.mode in (Mode.MIXED, Mode.HEALTH):
            return
        conclusion = conclude(self._run, int(exitstatus))
        if self._run.decides:
            terminalreporter.section("health")
            show(self._run, conclusion, terminalreporter)

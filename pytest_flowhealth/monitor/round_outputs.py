"""Report rounds, events and problems on the console, in the log files and in files for others."""

from __future__ import annotations

from pathlib import Path

from pytest_flowhealth.config.atomic import replace_file
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import make_file_name
from pytest_flowhealth.formats import openmetrics
from pytest_flowhealth.monitor.console import Console
from pytest_flowhealth.monitor.logs import Logs
from pytest_flowhealth.monitor.round_process import RoundResult


class RoundOutputs:
    """Report what the monitor does; a file that can't be written is a problem, and stops nothing.

    Args:
        console: Standard output.
        logs: The log files.
    """

    def __init__(self, console: Console, logs: Logs) -> None:
        self._console, self._logs = console, logs

    def report_problem(self, text: str) -> None:
        """Report what is wrong with the monitor itself."""
        self._console.problem(text)
        self._logs.write("error", "errors", "problem", text=text)

    def report_event(self, event: str, **facts: object) -> None:
        """Report an event, such as the begin and the end."""
        self._console.event(event, **facts)
        self._logs.write("info", "health", event, **facts)

    def log_round(
        self, report: Report | None, result: RoundResult, status: Status | None, late: int
    ) -> None:
        """Report the end of a round.

        Args:
            report: Its report; None if it sent none.
            result: How it ended.
            status: The status board's, which counts if the round broke down.
            late: Rounds that were skipped since the start.
        """
        counts = status if report is None or result.problems else report.status
        components = {} if report is None else report.components
        facts = {
            "status": (counts or Status.UNKNOWN).value,
            "seconds": round(result.seconds, 3),
            "components": {
                name: component.status.value
                for name, component in components.items()
                if component.status is not None
            },
            "late": late,
        }
        reasons = [*result.problems, *(report.reasons if report else ())]
        reasons = list(dict.fromkeys(reasons))
        self._console.round_ended(facts, reasons)
        level = "info" if facts["status"] == "healthy" else "warning"
        self._logs.write(level, "health", "round", **facts, reasons=reasons)
        self._logs.write("debug", "performance", "round", seconds=facts["seconds"])
        if result.problems:
            self._logs.write(
                "error", "errors", "round", problems=result.problems, output=result.tail
            )

    def write_report(self, path: str, content: bytes) -> None:
        """Write the last round's report."""
        try:
            replace_file(Path(path), content)
        except OSError as error:
            self.report_problem(f"the report can't be written: {error.strerror or error}")

    def write_metrics(self, target: Target, report: Report | None) -> None:
        """Write the metrics for node_exporter's textfile collector, if that is configured."""
        file = target.config.monitor.openmetrics
        if file is None or report is None:
            return
        path = target.root / file
        if path.is_dir():
            path /= f"flowhealth-{make_file_name(target.instance)}.prom"
        try:
            replace_file(path, openmetrics.render(report).encode())
        except OSError as error:
            self.report_problem(f"the metrics can't be written: {error.strerror or error}")

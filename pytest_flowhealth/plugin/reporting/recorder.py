"""Record what pytest collected and what went wrong around the checks, under pytest-xdist too."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Sequence
from typing import Any

import msgspec
import pytest

from pytest_flowhealth.domain.checks import CheckResult, CheckSpec
from pytest_flowhealth.domain.root_causes import RunProblem
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.plugin.reporting.messages import short_message
from pytest_flowhealth.plugin.run import HealthRun, is_worker

_getpid = os.getpid  # a check may leave a mock of it behind

RESULT_ATTRIBUTE = "flowhealth_result"
"""The attribute of a report, and the key of a worker's output, that cross from xdist's workers."""


def is_final(report: pytest.TestReport) -> bool:
    """Tell whether a report counts: plugins that run a test again report earlier attempts as rerun."""
    return report.outcome in ("passed", "failed", "skipped")


class WorkerOutput(msgspec.Struct, frozen=True):
    """What an xdist worker sends to the controller at its end; the fields are those of `HealthRun`."""

    mode: str
    usage_error: str | None
    specs: dict[str, CheckSpec]
    results: dict[str, CheckResult]
    collected: dict[str, None]
    problems: tuple[RunProblem, ...]
    skipped_files: dict[str, str]
    not_requested: tuple[str, ...]
    deselected: int
    samples: dict[str, tuple[float, ...]]


class Recorder:
    """Record collection, ordinary tests and problems in `run`; the plugin `flowhealth-recorder`.

    Attributes:
        items: Every item that pytest made, before anything was deselected.
        uncollectable: The node ids of files that could not be collected.
        workers: What xdist's workers sent at their end.
    """

    def __init__(self, run: HealthRun) -> None:
        self.items: list[pytest.Item] = []
        self.uncollectable: list[str] = []
        self.workers: list[WorkerOutput] = []
        self._run = run
        self._owner = _getpid()
        self._left_out: set[int] = set()

    # -- collection

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Note each item, also one that a hook drops later without reporting it."""
        self.items.append(item)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Note what the user's selection left out."""
        self._run.deselected += len(items)
        self.leave_out(items)

    def leave_out(self, items: Iterable[pytest.Item]) -> None:
        """Note items that need not report."""
        self._left_out.update(id(item) for item in items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what could not be collected."""
        if report.failed:
            self.uncollectable.append(report.nodeid)
            text = f"could not collect {report.nodeid or 'the checks'}: {short_message(report)}"
            self._run.problems.append(RunProblem(text))
        elif report.skipped:
            self._run.skipped_files[report.nodeid] = short_message(report)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what has to report: the items, and those that vanished on the way."""
        collected = self._run.collected
        collected.update((item.nodeid, None) for item in session.items)
        collected.update(
            (item.nodeid, None) for item in self.items if id(item) not in self._left_out
        )

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Note what an xdist worker has to report."""
        self._run.collected.update((nodeid, None) for nodeid in ids)

    # -- running

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note an ordinary test; receive the result of a check from an xdist worker."""
        if _getpid() != self._owner:
            # A child that a check forked fell through into pytest: it must not speak for the run.
            os._exit(Status.UNKNOWN.exit_code)
        nodeid = report.nodeid  # a property that builds it
        self._run.entries.add(nodeid, report)
        if is_final(report):
            failed = self._run.finished.get(nodeid, False)
            self._run.finished[nodeid] = failed or report.failed
        text = getattr(report, RESULT_ATTRIBUTE, None)
        if text is not None and not is_worker(self._run.config):
            self._receive(nodeid, msgspec.json.decode(text, type=CheckResult))

    def _receive(self, nodeid: str, result: CheckResult) -> None:
        self._keep_worst(nodeid, result)
        self._run.config.hook.pytest_flowhealth_check_result(result=result)

    def _keep_worst(self, nodeid: str, result: CheckResult) -> None:
        """Keep a worker's result; of several (--dist each runs a check on every worker) the worst."""
        known = self._run.results.get(nodeid)
        if known is None or result.outcome.severity >= known.outcome.severity:
            self._run.results[nodeid] = result

    # -- what goes wrong around the checks

    def pytest_internalerror(self, excrepr: object) -> None:
        """Note an error of pytest or a plugin."""
        lines = str(excrepr).strip().splitlines()
        self._add_problem(f"internal error: {one_line(lines[-1] if lines else '')}")

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note an interruption: Ctrl-C, or pytest.exit with whatever code."""
        text = one_line(str(excinfo.value))
        name = "interrupted" if excinfo.errisinstance(KeyboardInterrupt) else "ended by pytest.exit"
        self._add_problem(f"{name}: {text}" if text else name)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """Note a plugin that raises while the session ends: pytest takes even its exit code."""
        if is_worker(self._run.config):
            self._send()
        try:
            return (yield)
        except BaseException as error:
            text = one_line(f"{type(error).__name__}: {error}")
            self._add_problem(f"a plugin failed while the session ended: {text}")
            raise

    def _send(self) -> None:
        run = self._run
        output = WorkerOutput(
            mode=run.mode.value,
            usage_error=run.usage_error,
            specs=run.specs,
            results=run.results,
            collected=run.collected,
            problems=tuple(run.problems),
            skipped_files=run.skipped_files,
            not_requested=run.not_requested,
            deselected=run.deselected,
            samples=run.samples,
        )
        text = msgspec.json.encode(output).decode()
        run.config.workeroutput[RESULT_ATTRIBUTE] = text  # type: ignore[attr-defined]  # of xdist

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Note a lost xdist worker, and what an orderly one sent."""
        text = getattr(node, "workeroutput", {}).get(RESULT_ATTRIBUTE)
        if text is not None:
            output = msgspec.json.decode(text, type=WorkerOutput)
            self.workers.append(output)
            self._merge(output)
        if error:
            name = getattr(node.gateway, "id", "a worker")
            cause = str(error).strip().rpartition("\n")[2]  # of a traceback, its last line
            self._add_problem(f"xdist worker {name} was lost: {one_line(cause)}")

    def _merge(self, output: WorkerOutput) -> None:
        run = self._run
        run.specs.update(output.specs)
        for nodeid, result in output.results.items():
            self._keep_worst(nodeid, result)
        run.collected.update(output.collected)  # also what vanished before xdist was told
        run.problems += output.problems
        run.skipped_files.update(output.skipped_files)
        run.not_requested = run.not_requested or output.not_requested
        run.deselected = max(run.deselected, output.deselected)
        run.samples.update(output.samples)
        run.usage_error = run.usage_error or output.usage_error

    def _add_problem(self, text: str) -> None:
        self._run.problems.append(RunProblem(text))

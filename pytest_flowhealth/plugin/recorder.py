"""What was collected and what was reported, from pytest's own hooks.

Nothing here judges. The verdict needs no other plugin: what pytest-json-report
or the terminal make of a report changes nothing.
"""

from __future__ import annotations

import datetime
import os
import warnings
from collections.abc import Generator, Iterable, Sequence
from typing import Any

import msgspec
import pytest

from pytest_flowhealth.domain.checks import (
    CheckResult,
    CheckSpec,
    Ending,
    Evidence,
    Phase,
    judge_check,
)
from pytest_flowhealth.domain.dependencies import Index
from pytest_flowhealth.domain.root_causes import RunProblem
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.plugin.document import TestEntries
from pytest_flowhealth.plugin.doubts import doubt_of
from pytest_flowhealth.plugin.messages import gist
from pytest_flowhealth.plugin.scrub import Cleaner

EVIDENCE_ATTRIBUTE = "flowhealth"
"""The attribute of a pytest report that carries a check's evidence, as JSON text."""


class Carried(msgspec.Struct, frozen=True, gc=False):
    """What a report of a check carries from the process that ran it."""

    evidence: Evidence
    ending: Ending
    message: str

    def encoded(self, clean: Cleaner) -> str:
        """Return this as JSON text; what JSON can't hold, lone surrogates, is spelled out."""
        try:
            return msgspec.json.encode(self).decode()
        except UnicodeEncodeError:
            return msgspec.json.encode(clean.tree(msgspec.to_builtins(self))).decode()


class Seen(msgspec.Struct, gc=False):
    """What was seen of one test: its phases, its evidence if it is a check, retries."""

    phases: list[Phase] = []
    evidence: Evidence | None = None
    attempts: int = 1
    failed: bool = False
    doubts: tuple[str, ...] = ()
    judged: CheckResult | None = None


class FromWorker(msgspec.Struct, frozen=True):
    """What an xdist worker tells at its end."""

    mode: str
    usage: str | None = None
    declarations: tuple[CheckSpec, ...] = ()
    problems: tuple[RunProblem, ...] = ()
    not_asked: tuple[str, ...] = ()
    deselected: int = 0
    samples: dict[str, tuple[float, ...]] = {}


_decoder = msgspec.json.Decoder(Carried)


def carried_by(report: pytest.TestReport) -> Carried | None:
    """Return what a report of a check carries; None for an ordinary test's or a crash's."""
    text = getattr(report, EVIDENCE_ATTRIBUTE, None)
    if text is None:
        return None
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, TypeError):
        return None


class Recorder:
    """Hooks that write down what happens; the plugin `flowhealth-recorder`."""

    def __init__(self) -> None:
        self.collected: dict[str, None] = {}
        self.seen: dict[str, Seen] = {}
        self.problems: list[RunProblem] = []
        self.workers: list[FromWorker] = []
        self.skipped: dict[str, str] = {}
        self.deselected = 0
        self.entries = TestEntries()
        self._owner = os.getpid()
        self._items: list[pytest.Item] = []
        self._left_out: set[int] = set()
        self._results: dict[str, CheckResult] = {}
        self._index: Index | None = None

    # -- collection

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Remember each item, for one that is dropped without a word is not left out."""
        self._items.append(item)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Note what the user's selection left out."""
        self.deselected += len(items)
        self.leave_out(items)

    def leave_out(self, items: Iterable[pytest.Item]) -> None:
        """Note items that need not report."""
        self._left_out.update(id(item) for item in items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what could not be collected."""
        if report.failed:
            self.problems.append(
                RunProblem(f"could not collect {report.nodeid or 'the checks'}: {gist(report)}")
            )
        elif report.skipped:
            self.skipped[report.nodeid] = gist(report)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what has to report: the items, and those that vanished on the way."""
        self.collected.update((item.nodeid, None) for item in session.items)
        self.collected.update(
            (item.nodeid, None) for item in self._items if id(item) not in self._left_out
        )

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Note what an xdist worker will have to report."""
        self.collected.update((one, None) for one in ids)

    # -- running

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write down one phase."""
        if os.getpid() != self._owner:
            # A child that a check forked fell through into our session: it must not speak for us.
            os._exit(Status.UNKNOWN.exit_code)
        self.entries.add(report)
        seen = self.seen.setdefault(report.nodeid, Seen())
        if report.outcome == "rerun":  # type: ignore[comparison-overlap]  # pytest-rerunfailures' own
            seen.attempts += 1
            seen.phases = []
            return
        carried = carried_by(report)
        seen.judged = None
        seen.failed = seen.failed or report.failed
        if carried is not None:
            seen.evidence = carried.evidence
        phase = _phase(report, carried)
        if phase is not None:
            seen.phases.append(phase)
        if report.when == "teardown":
            self._settle(seen)

    def find(self, required: str) -> list[CheckResult]:
        """Return the results so far, in this process, of the checks that a requirement names."""
        if self._index is None:
            self._index = Index(self._results)
        return [self._results[one] for one in self._index.resolve(required)]

    def result(self, seen: Seen) -> CheckResult | None:
        """Return the judged check, or None for an ordinary test."""
        if seen.judged is not None or seen.evidence is None:
            return seen.judged
        evidence = seen.evidence
        if seen.attempts > 1:
            attempts = max(seen.attempts, evidence.attempts)
            evidence = msgspec.structs.replace(evidence, attempts=attempts)
        doubts = [Phase("call", Ending.LOST, 0.0, text) for text in seen.doubts]
        today = datetime.datetime.now(datetime.UTC).date()
        return judge_check(evidence, [*seen.phases, *doubts], today)

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str
    ) -> None:
        """Doubt a check of which pytest says that its body did not run, did not assert, or left errors."""
        if when == "runtest" and nodeid in self.seen and (doubt := doubt_of(warning_message)):
            seen = self.seen[nodeid]
            seen.doubts = (*seen.doubts, doubt)
            seen.judged = None
            self._settle(seen)

    def _settle(self, seen: Seen) -> None:
        seen.judged = self.result(seen)
        if seen.judged is not None:
            self._results[seen.judged.id] = seen.judged
            self._index = None

    # -- what goes wrong around the checks

    def pytest_internalerror(self, excrepr: object) -> None:
        """Note an error of pytest or a plugin."""
        lines = str(excrepr).strip().splitlines()
        self.problems.append(RunProblem(f"internal error: {one_line(lines[-1] if lines else '')}"))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note an interruption: Ctrl-C, or pytest.exit with whatever code."""
        text = one_line(str(excinfo.value))
        name = "interrupted" if excinfo.errisinstance(KeyboardInterrupt) else "ended by pytest.exit"
        self.problems.append(RunProblem(f"{name}: {text}" if text else name))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """Note a plugin that raises while the session ends: pytest takes even its exit code."""
        try:
            return (yield)
        except BaseException as error:
            text = one_line(f"{type(error).__name__}: {error}")
            self.problems.append(RunProblem(f"a plugin failed while the session ended: {text}"))
            raise

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Note a lost xdist worker, and what an orderly one told."""
        output = getattr(node, "workeroutput", {}).get(EVIDENCE_ATTRIBUTE)
        if output is not None:
            self.workers.append(msgspec.json.decode(output, type=FromWorker))
        if error:
            name = getattr(node.gateway, "id", "a worker")
            self.problems.append(
                RunProblem(f"xdist worker {name} was lost: {one_line(str(error))}")
            )


def _phase(report: pytest.TestReport, carried: Carried | None) -> Phase | None:
    if hasattr(report, "context"):
        # A subtest: one that failed counts, one that passed stands for no phase.
        message = carried.message if carried else gist(report)
        return Phase("subtest", Ending.FAILED, 0.0, message) if report.failed else None
    when = report.when or "call"
    if carried is not None:
        return Phase(when, carried.ending, report.duration, carried.message)
    if when not in ("setup", "call", "teardown"):
        return Phase(when, Ending.LOST, 0.0, gist(report))
    if report.passed:
        return Phase(when, Ending.PASSED, report.duration)
    ending = Ending.FAILED if report.failed else Ending.SKIPPED
    return Phase(when, ending, report.duration, gist(report))

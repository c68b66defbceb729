"""A run that is a round of the monitor: send each component's results over a pipe when it is done.

The monitor writes the report and the history itself, so that a full disk stops no round.
"""

from __future__ import annotations

import secrets
import time
import zlib

import pytest

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.dependencies import Index
from pytest_flowhealth.domain.report import Document
from pytest_flowhealth.domain.root_causes import attribute_root_causes
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.monitor.protocol import (
    CollectionFinished,
    ComponentFinished,
    RoundFinished,
    write_frame,
)
from pytest_flowhealth.plugin.reporting.report_file import encode_report
from pytest_flowhealth.plugin.run import HealthRun


class MonitorPipe:
    """Send what a round finds to the monitor; the plugin `flowhealth-monitor`, and a sink.

    Args:
        run: The round.
        pipe: The file descriptor that frames are written to.
    """

    polled = final = False

    def __init__(self, run: HealthRun, pipe: int) -> None:
        self._run = run
        self._pipe = pipe
        self._left: dict[str, set[str]] = {}
        self._blocked: dict[str, tuple[str, ...]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        """Send what will be run."""
        names = {}
        for spec in self._run.specs.values():
            name = self._run.sanitizer.name(spec.id)
            names[name] = spec.component
            self._left.setdefault(spec.component, set()).add(name)
        write_frame(self._pipe, CollectionFinished(names))

    def pytest_flowhealth_check_result(self, result: CheckResult) -> None:
        """Send a component if this was the last of its checks that can be run."""
        if result.component not in self._left:
            return
        if result.outcome in (Outcome.FAIL, Outcome.UNKNOWN):
            self._blocked[result.id] = self._find_blocked(result.id)
        self._left[result.component].discard(result.id)
        waiting = self._left[result.component].difference(*self._blocked.values())
        if not waiting:
            del self._left[result.component]
            self._send(result.component)

    def claim(self, unfinished: Document) -> None:
        """Do nothing: the monitor knows that the round has not finished."""

    def write(self, document: Document) -> str | None:
        """Send the verdict, and what the history keeps of it."""
        from pytest_flowhealth.history.run_record import make_run_record

        uid = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
        entry = make_run_record(document.health, b"", self._run.samples, "", uid)
        write_frame(
            self._pipe,
            RoundFinished(
                health=document.health,
                document=zlib.compress(encode_report(document)),
                problems=self._run.reported_problems,
                exit_code=document.health.exit_code,
                entry=entry,
            ),
        )
        return None

    @staticmethod
    def refuse(pipe: int, document: Document) -> None:
        """Send that nothing was run, and why."""
        report = document.health
        write_frame(
            pipe,
            RoundFinished(
                *(report, zlib.compress(encode_report(document)), report.reasons, report.exit_code)
            ),
        )

    def _find_blocked(self, root: str) -> tuple[str, ...]:
        """Return the checks that can't be run if `root` has failed."""
        requires = {spec.id: spec.requires for spec in self._run.specs.values()}
        index = Index(requires)
        found = {root}
        while True:
            more = {
                name
                for name, required in requires.items()
                if name not in found
                and any(check_id in found for name in required for check_id in index.resolve(name))
            }
            if not more:
                return tuple(sorted(found - {root}))
            found |= more

    def _send(self, component: str) -> None:
        results = attribute_root_causes(list(self._run.results.values()))
        checks = tuple(result for result in results if result.component == component)
        write_frame(self._pipe, ComponentFinished(component, checks, self._blocked))

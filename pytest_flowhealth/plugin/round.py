"""A run that is a round of the monitor: it tells its parent what it finds, over a pipe.

The parent writes the report and the history, so that a full disk stops no round.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.dependencies import Index
from pytest_flowhealth.domain.report import Document
from pytest_flowhealth.domain.root_causes import settle
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.history.entry import entry_of
from pytest_flowhealth.monitor import frames
from pytest_flowhealth.monitor.frames import Ended, Order, Partly, Planned, order
from pytest_flowhealth.plugin.report_file import encoded
from pytest_flowhealth.plugin.scrub import Cleaner
from pytest_flowhealth.plugin.state import Run

FIRST = ("redis", "dashboard", "system", "configuration", "build")
LAST = ("fleet", "package", "dependencies", "feedback", "npm", "wasm")
"""In which order components are looked at: what answers at once shall not wait for what takes long."""


def target_of(root: Path) -> Target | None:
    """Return the target with the configuration that the monitor goes by; None where it told none."""
    told = order()
    if told is None or told.settled is None:
        return None
    return Target(root, **msgspec.structs.asdict(told.settled))


def rank(component: str) -> int:
    """Return a component's place in a round."""
    if component in LAST:
        return len(FIRST) + 1 + LAST.index(component)
    return FIRST.index(component) if component in FIRST else len(FIRST)


class Teller:
    """Tells each component's checks as soon as they have ended; the plugin `flowhealth-teller`."""

    def __init__(self, run: Run, told: Order) -> None:
        self._run = run
        self._pipe = told.pipe
        self._clean = Cleaner(run.redact)
        self._left: dict[str, set[str]] = {}
        self._blocked: dict[str, tuple[str, ...]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        """Tell what will be run."""
        checks = {one.id: one.component for one in self._run.declarations.values()}
        for name, component in checks.items():
            self._left.setdefault(component, set()).add(name)
        names = {self._clean.name(name): component for name, component in checks.items()}
        frames.write(self._pipe, Planned(names))

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Tell a component, where this was the last of its checks that can be run."""
        seen = self._run.recorder.seen.get(nodeid)
        result = self._run.recorder.result(seen) if seen else None
        if result is None or result.component not in self._left:
            return
        if result.outcome in (Outcome.FAIL, Outcome.UNKNOWN):
            self._blocked[result.id] = self._after(result.id)
        self._left[result.component].discard(result.id)
        waiting = self._left[result.component].difference(*self._blocked.values())
        if not waiting:
            del self._left[result.component]
            self._tell(result.component)

    def _after(self, root: str) -> tuple[str, ...]:
        """Return the checks that can't be run where `root` has failed."""
        declared = {one.id: one.requires for one in self._run.declarations.values()}
        index = Index(declared)
        found = {root}
        while True:
            more = {
                name
                for name, requires in declared.items()
                if name not in found
                and any(one in found for required in requires for one in index.resolve(required))
            }
            if not more:
                return tuple(sorted(found - {root}))
            found |= more

    def _tell(self, component: str) -> None:
        recorder = self._run.recorder
        results = [recorder.result(seen) for seen in recorder.seen.values()]
        settled = settle([one for one in results if one is not None])
        checks = tuple(self._clean.check(one) for one in settled if one.component == component)
        frames.write(self._pipe, Partly(component, checks, self._blocked))


def tell_end(
    told: Order, document: Document, samples: dict[str, tuple[float, ...]], problems: Sequence[str]
) -> None:
    """Tell the verdict, and what the history keeps of it."""
    report = encoded(document)
    uid = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
    entry = entry_of(document.health, report, samples, "", uid)
    frames.write(
        told.pipe,
        Ended(
            report=msgspec.Raw(report),
            problems=tuple(problems),
            exit_code=document.health.exit_code,
            entry=msgspec.msgpack.encode(entry),
        ),
    )


def tell_refused(told: Order, document: Document) -> None:
    """Tell that nothing was run, and why."""
    health = document.health
    report = msgspec.Raw(encoded(document))
    frames.write(told.pipe, Ended(report, health.reasons, health.exit_code))

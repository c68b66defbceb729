"""Build the `tests` of the report with the serialiser of pytest-json-report.

Its plugin is not used: it merges subtests, does not write atomically, and one unserialisable log
record breaks an xdist worker.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_flowhealth.plugin.reporting.sanitizer import Sanitizer


class TestEntries:
    """Collect the `tests` of the report, one entry for each test.

    Args:
        sanitizer: Cleans every text.
    """

    __test__ = False

    def __init__(self, sanitizer: Sanitizer) -> None:
        self._clean = sanitizer.tree
        self._tests: dict[str, dict[str, Any]] = {}

    def add(self, nodeid: str, report: pytest.TestReport) -> None:
        """Add one phase, or one subtest, of the test `nodeid`."""
        from pytest_jsonreport.serialize import make_testitem, make_teststage

        test = self._tests.get(nodeid)
        if test is None:
            test = self._clean(make_testitem(nodeid, list(report.keywords), report.location))
            self._tests[nodeid] = test
        passed = report.passed
        if passed:
            stage = {"duration": report.duration, "outcome": report.outcome}
        else:
            stage = make_teststage(report, None, None, None, omit_traceback=False)
            stage = self._clean(stage)
        if hasattr(report, "context"):
            test.setdefault("subtests", []).append(stage)
        else:
            test[str(report.when)] = stage
        outcome = "passed" if passed and not hasattr(report, "wasxfail") else _category(report)
        if outcome != "passed" and test["outcome"] not in ("failed", "error"):
            test["outcome"] = outcome

    def tests(self) -> tuple[dict[str, Any], ...]:
        """Return the entries in the order of their first report."""
        return tuple(self._tests.values())

    def summary(self, *, collected: int, deselected: int) -> dict[str, int]:
        """Return how many tests ended how, with `total`, `collected` and `deselected`."""
        from pytest_jsonreport.serialize import make_summary

        counted = dict(make_summary(self._tests, collected=collected))
        return counted | ({"deselected": deselected} if deselected else {})


def _category(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed" if report.when == "call" else "passed"
    if report.failed and report.when != "call":
        return "error"
    return report.outcome

"""Make every text of a report safe to show: no secrets, no control characters, valid Unicode."""

from __future__ import annotations

from typing import Any

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.measurements import Measurement
from pytest_flowhealth.domain.root_causes import RunProblem
from pytest_flowhealth.domain.text import Redactor, printable
from pytest_flowhealth.domain.thresholds import ThresholdResult

_LONGEST = 20_000
_DEEPEST = 40


class Sanitizer:
    """Sanitize texts, results and whole trees.

    Attributes:
        redact: Replaces the known secrets in a text.
    """

    def __init__(self, redact: Redactor) -> None:
        self.redact = redact
        self._known: dict[str, str] = {}

    def text(self, value: str, limit: int = 2_000) -> str:
        """Return `value` without secrets and control characters."""
        if not value:
            return value
        return printable(self.redact(value), limit)

    def name(self, value: str) -> str:
        """Return an id or a node id; only a parametrisation's brackets may hold a secret."""
        before, bracket, rest = value.partition("[")
        return printable(before) + (bracket + self.text(rest) if bracket else "")

    def check(self, check: CheckResult) -> CheckResult:
        """Return `check` with all its texts cleaned."""
        return msgspec.structs.replace(
            check,
            id=self.name(check.id),
            nodeid=self.name(check.nodeid),
            message=self.text(check.message),
            remedy=None if check.remedy is None else self.text(check.remedy),
            blocked_by=None if check.blocked_by is None else self.name(check.blocked_by),
            measurements=tuple(map(self._measurement, check.measurements)),
            thresholds=tuple(map(self._threshold, check.thresholds)),
            details=self.tree(check.details),
            requires=tuple(map(self.name, check.requires)),
            depends=tuple(map(self.name, check.depends)),
            location=None if check.location is None else self.text(check.location),
        )

    def problem(self, problem: RunProblem) -> RunProblem:
        """Return `problem` with its text cleaned."""
        return RunProblem(self.text(problem.text), problem.status)

    def tree(self, value: Any, depth: int = 0) -> Any:
        """Return a tree of dicts, lists and scalars with every text in it cleaned."""
        if isinstance(value, str):
            return self._known.get(value) or self._leaf(value)
        if isinstance(value, (dict, list, tuple)):
            return self._branch(value, depth) if depth < _DEEPEST else "..."
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return self.text(str(value), _LONGEST)

    def _leaf(self, value: str) -> str:
        """Return a cleaned text; most leaves of a report are the same few words."""
        clean = self._known.get(value)
        if clean is None:
            clean = self.text(value, _LONGEST)
            if len(value) < 100:
                self._known[value] = clean
        return clean

    def _branch(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            return {
                self._leaf(str(key)): self.tree(child, depth + 1) for key, child in value.items()
            }
        return [self.tree(child, depth + 1) for child in value]

    def _measurement(self, taken: Measurement) -> Measurement:
        if taken.problem is None and taken.doubt is None and taken.name.isidentifier():
            return taken
        return msgspec.structs.replace(
            taken,
            name=self.text(taken.name),
            unit=self.text(taken.unit),
            problem=None if taken.problem is None else self.text(taken.problem),
            doubt=None if taken.doubt is None else self.text(taken.doubt),
        )

    def _threshold(self, result: ThresholdResult) -> ThresholdResult:
        if result.note is None:
            return result
        return msgspec.structs.replace(result, note=self.text(result.note))

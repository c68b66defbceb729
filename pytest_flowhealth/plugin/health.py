"""The `health` fixture: what a check says of itself while it runs."""

from __future__ import annotations

import dataclasses
from typing import Any, NoReturn

import msgspec
import pytest

from pytest_flowhealth.domain.checks import CheckSpec, Ending, Evidence
from pytest_flowhealth.domain.measurements import Series, measured
from pytest_flowhealth.domain.thresholds import ThresholdResult, judge
from pytest_flowhealth.errors import FlowHealthError, NotApplicable


@dataclasses.dataclass
class Notes:
    """What one attempt at a check left behind.

    `began` tells whether its body did (None where nobody watches), `raised` what came out of it.
    """

    series: dict[str, Series] = dataclasses.field(default_factory=dict)
    warnings: list[str] = dataclasses.field(default_factory=list)
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
    remedy: str | None = None
    error_remedy: str | None = None
    judged: tuple[ThresholdResult, ...] = ()
    blocked_by: str | None = None
    depends: list[str] = dataclasses.field(default_factory=list)
    waived: bool = False
    began: bool | None = None
    raised: BaseException | None = None
    endings: dict[str, tuple[Ending, str]] = dataclasses.field(default_factory=dict)


class Health:
    """What one check measured, warned of and explained; a fixture of each check."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def measure(
        self,
        name: str,
        value: object,
        unit: str,
        *,
        interval: tuple[float, float] | None = None,
        doubt: str | None = None,
    ) -> None:
        """Record a measurement: a number, or the samples of a series in their order.

        Args:
            name: As in the threshold's marker, without a statistic.
            value: A finite number, or an iterable of them. NaN, infinity, an
                empty series and what is no number leave its thresholds unknown.
            unit: One of s ms us B KiB MiB GiB kB MB GB % 1/s B/s x fps 1.
            interval: Where the true value lies, in the same unit: wholly inside a limit
                passes, wholly past it fails, astride warns.
            doubt: Why the value can't be relied on: its thresholds warn with it.

        Raises:
            FlowHealthError: This check measured `name` already.
        """
        if name in self._notes.series:
            raise FlowHealthError(f"{name} was measured twice in one check; give each its own name")
        self._notes.series[name] = measured(name, value, unit, interval=interval, doubt=doubt)

    def warn(self, text: str) -> None:
        """Make this check at least a warn, with `text` as the reason."""
        self._notes.warnings.append(str(text))

    def detail(self, **facts: Any) -> None:
        """Add facts to the report; what JSON can't hold is kept as its text."""
        self._notes.details.update(facts)

    def remedy(self, text: str) -> None:
        """Say what mends this check, as a command where there is one."""
        self._notes.remedy = str(text)

    def depends_on(self, check: str) -> None:
        """Lay a failure of this check to another one (its id), where that one failed too.

        For what is known only while it runs; what a marker can say, `requires` says.
        """
        self._notes.depends.append(str(check))

    def not_applicable(self, text: str) -> NoReturn:
        """End this check as skipped: the target does not have what it looks at.

        Raises:
            NotApplicable: Always.
        """
        raise NotApplicable(text)


class CheckState:
    """One check under way: its declaration and the notes of its present attempt."""

    def __init__(self, declaration: CheckSpec) -> None:
        self.declaration = declaration
        self.notes = Notes()
        self.attempts = 1
        self.earlier: list[str] = []

    def begin(self) -> None:
        """Begin a set-up: of notes that another plugin's rerun left, nothing stays."""
        if self.notes.endings or self.notes.series or self.notes.warnings:
            self.notes = Notes()

    def try_again(self, message: str) -> None:
        """Begin another attempt; `message` says how the last one ended."""
        self.earlier.append(message)
        self.attempts += 1
        self.notes = Notes()

    def end(self, when: str, ending: Ending, message: str, remedy: str | None = None) -> None:
        """Note how the phase `when` ended, where pytest's report can't tell it."""
        self.notes.endings[when] = (ending, message)
        self.notes.error_remedy = remedy or self.notes.error_remedy

    def judge(self) -> tuple[ThresholdResult, ...]:
        """Judge every declared threshold by what was measured so far."""
        series = self.notes.series
        self.notes.judged = tuple(
            judge(threshold, series.get(threshold.measurement))
            for threshold in self.declaration.thresholds
        )
        return self.notes.judged

    def evidence(self) -> Evidence:
        """Return what is known of the check besides its phases."""
        notes = self.notes
        earlier = {"earlier_attempts": self.earlier} if self.earlier else {}
        return Evidence(
            declaration=self.declaration,
            measurements=tuple(series.measurement for series in notes.series.values()),
            thresholds=notes.judged,
            warnings=tuple(notes.warnings),
            remedy=notes.error_remedy or notes.remedy,
            details=plain(notes.details | earlier) if notes.details or earlier else {},
            attempts=self.attempts,
            blocked_by=notes.blocked_by,
            depends=tuple(notes.depends),
        )


STATE: pytest.StashKey[CheckState] = pytest.StashKey()


def health_of(item: pytest.Item) -> Health:
    """Return the hand of the check `item`; an ordinary test gets one that nobody reads."""
    state = item.stash.get(STATE, None)
    return Health(state.notes if state else Notes())


_HOOKS = "pytest_flowhealth.plugin.hooks"


def hand_over(item: pytest.Item, state: CheckState) -> None:
    """Give a check its `health` without pytest's machinery for fixtures, which costs more than the check.

    Where a conftest.py or a class has a fixture of that name of its own, it is left to pytest.
    """
    known = getattr(item, "_fixtureinfo", None)
    if not isinstance(item, pytest.Function) or known is None or "health" not in known.argnames:
        return
    definitions = known.name2fixturedefs.get("health", ())
    if [one.func.__module__ for one in definitions] == [_HOOKS]:
        item.funcargs["health"] = Health(state.notes)
        item.funcargs["request"] = item._request  # noqa: SLF001  # what ours asks for is not made either


def plain(details: dict[str, Any]) -> dict[str, Any]:
    """Return `details` with only what JSON can hold; other objects become their text."""
    try:
        kept: dict[str, Any] = msgspec.to_builtins(details, str_keys=True, enc_hook=str)
        msgspec.json.encode(kept)
    except Exception:  # noqa: BLE001  # an object's own __str__ may raise anything
        return {str(key): safely_shown(value) for key, value in details.items()}
    return kept


def safely_shown(value: object) -> str:
    """Return what `value` looks like, whatever its own methods do."""
    try:
        return repr(value)[:2_000]
    except Exception:  # noqa: BLE001  # as above
        return f"<{type(value).__name__}>"

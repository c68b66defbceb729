"""The `health` fixture: how a check records what it measures."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from pytest_flowhealth.domain.measurements import make_series
from pytest_flowhealth.errors import FlowHealthError, NotApplicable
from pytest_flowhealth.plugin.execution.running_check import RUNNING, RunningCheck


class Health:
    """Record measurements, warnings and details for the current check."""

    def __init__(self, check: RunningCheck) -> None:
        self._check = check

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
            value: A finite number, or an iterable of them. For NaN, infinity, an empty series
                and anything that is not a number, the thresholds are unknown.
            unit: One of s ms us B KiB MiB GiB kB MB GB % 1/s B/s x fps 1.
            interval: The interval that contains the true value, in the same unit. Inside a limit
                it passes, past it it fails, across it it warns.
            doubt: Why the value can't be relied on: its thresholds warn with this reason.

        Raises:
            FlowHealthError: This check has measured `name` already.
        """
        series = self._check.attempt.series
        if name in series:
            raise FlowHealthError(f"{name} was measured twice in one check; give each its own name")
        series[name] = make_series(name, value, unit, interval=interval, doubt=doubt)

    def warn(self, text: str) -> None:
        """Make this check at least a warn, with `text` as the reason."""
        self._check.attempt.warnings.append(str(text))

    def detail(self, **facts: Any) -> None:
        """Add facts to the report's `details`; what JSON can't hold becomes text.

        The fact `diagnosis` is shown beside a problem, as ``see: ...``: where to look for its cause.
        """
        self._check.attempt.details.update(facts)

    def remedy(self, text: str) -> None:
        """Set the command, or the sentence, that fixes this check if it fails."""
        self._check.attempt.remedy = str(text)

    def depends_on(self, check: str) -> None:
        """Attribute a failure of this check to the check with the id `check` if that one failed too.

        For a dependency that is known only while the check runs; otherwise use `requires`.
        """
        self._check.attempt.depends.append(str(check))

    def not_applicable(self, text: str) -> NoReturn:
        """End this check as skipped, with `text` as the reason.

        Raises:
            NotApplicable: Always.
        """
        raise NotApplicable(text)


def make_health(item: pytest.Item) -> Health:
    """Return the fixture's value for `item`; what an ordinary test records is dropped."""
    check = item.stash.get(RUNNING, None)
    return Health(check or RunningCheck(None))  # type: ignore[arg-type]  # nobody reads its spec


_FIXTURES = "pytest_flowhealth.plugin.fixtures"


def inject_health(item: pytest.Item, check: RunningCheck) -> None:
    """Give a check its `health` without pytest's fixture machinery, which costs more than the check.

    A fixture `health` of a conftest.py or a class takes precedence.
    """
    known = getattr(item, "_fixtureinfo", None)
    if not isinstance(item, pytest.Function) or known is None or "health" not in known.argnames:
        return
    definitions = known.name2fixturedefs.get("health", ())
    if [definition.func.__module__ for definition in definitions] == [_FIXTURES]:
        item.funcargs["health"] = Health(check)
        item.funcargs["request"] = item._request  # noqa: SLF001  # our fixture's own argument

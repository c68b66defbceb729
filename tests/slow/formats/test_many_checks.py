"""Formats under many checks."""

from __future__ import annotations

import time
from functools import cache
from importlib.metadata import entry_points

import pytest

from pytest_flowhealth.domain.checks import PhaseOutcome
from pytest_flowhealth.domain.measurements import make_series
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.plugin.reporting.outputs import GROUP
from tests.kit.readers import READERS
from tests.kit.reports import judged, reported


@cache
def many() -> Report:
    return reported(
        [
            judged(
                f"app.n{n}", make_series("m", 1.5, "ms"), ending=PhaseOutcome.FAILED, message="no"
            )
            for n in range(10_000)
        ]
    )


@pytest.mark.parametrize("name", READERS)
def test_the_time_for_ten_thousand_checks_grows_with_their_number_only(name: str) -> None:
    (render,) = (entry.load() for entry in entry_points(group=GROUP) if entry.name == name)
    start = time.process_time()
    render(many())

    # A square of the number would take minutes.
    assert time.process_time() - start < 20

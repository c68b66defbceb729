"""Formats under many checks."""

from __future__ import annotations

import time
from functools import cache
from importlib.metadata import entry_points

import pytest

from pytest_flowhealth.plugin.outputs import GROUP
from pytest_flowhealth.verdict.check import Ending
from pytest_flowhealth.verdict.measurement import measured
from pytest_flowhealth.verdict.report import Health
from tests.kit.readers import READERS
from tests.kit.reports import judged, reported


@cache
def many() -> Health:
    return reported(
        [
            judged(f"app.n{n}", measured("m", 1.5, "ms"), ending=Ending.FAILED, message="no")
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

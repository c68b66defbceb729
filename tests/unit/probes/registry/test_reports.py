"""Shares of installations that went well: none of too few, and their interval."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.errors import NotApplicable
from pytest_flowhealth.probes.registry.reports import FEWEST, InstallReports


def test_too_few_reports_have_no_share() -> None:
    for found in (InstallReports(0, 0), InstallReports(FEWEST - 2, 1, "7 d")):
        for name in ("success", "failures", "interval"):
            with pytest.raises(NotApplicable):
                getattr(found, name)
    assert InstallReports(19, 1).success == 95
    assert InstallReports(19, 1).failures == 5


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_interval_contains_the_share(succeeded: int, failed: int) -> None:
    found = InstallReports(succeeded, failed)
    if found.total < FEWEST:
        return
    low, high = found.interval
    assert 0 <= low <= found.success + 1e-9
    assert found.success - 1e-9 <= high <= 100


def test_the_interval_is_that_of_wilson() -> None:
    # Newcombe (1998), Statistics in Medicine 17, 857: 81 of 263 is 0.2553 to 0.3662.
    low, high = InstallReports(81, 182).interval
    assert low == pytest.approx(25.53, abs=0.01)
    assert high == pytest.approx(36.62, abs=0.01)

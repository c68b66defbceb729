"""A bound in time for what has none."""

import threading

import pytest

from pytest_flowhealth.probes.deadline import within


@pytest.mark.parametrize("result", [7, None])
def test_a_result_in_time_is_returned(result: int | None) -> None:
    outcome = within(10, lambda: result, lambda: pytest.fail("given up"))
    assert outcome.results == [result]
    assert not outcome.late


def test_an_error_of_the_work_is_kept_and_not_raised() -> None:
    outcome = within(10, lambda: 1 / 0, lambda: None)
    assert isinstance(outcome.error, ZeroDivisionError)
    assert not outcome.late


def test_work_that_is_late_is_given_up_and_stays_late() -> None:
    given_up = threading.Event()
    outcome = within(0.01, given_up.wait, given_up.set)
    assert outcome.late
    assert given_up.is_set()
    for thread in threading.enumerate():
        if thread.name == "flowhealth probe":
            thread.join(10)
    assert outcome.late  # what comes afterwards does not change it

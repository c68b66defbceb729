"""Maintenance windows: which silences they are, what they cover, and what they do to rounds and availability."""

import datetime

import pytest

from pytest_flowhealth.alerts.store import Silence
from pytest_flowhealth.config.alerts import MaintenanceWindow
from pytest_flowhealth.web import schemas
from pytest_flowhealth.web.maintenance import (
    describe_silence,
    is_in_maintenance,
    leave_out_maintenance,
    list_windows,
    mark_maintenance,
)

PLANNED = Silence("planned-1", "redis.*", 100.0, 200.0)
AD_HOC = Silence("4711", "*", 0.0, 1_000.0)


def test_a_silence_that_somebody_made_in_an_outage_is_no_maintenance() -> None:
    assert list_windows([PLANNED, AD_HOC], []) == [PLANNED]
    assert describe_silence(PLANNED).maintenance
    assert not describe_silence(AD_HOC).maintenance


def test_a_configured_silence_is_maintenance_from_its_begin_on() -> None:
    until = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    begin = until - datetime.timedelta(hours=1)
    (window,) = list_windows(
        [], [MaintenanceWindow("*", until, begin), MaintenanceWindow("app.*", until)]
    )
    assert (window.pattern, window.ends - window.begins) == ("*", 3_600.0)


@pytest.mark.parametrize(
    ("name", "at", "covered"),
    [
        ("redis.connect", 100.0, True),
        ("redis.connect", 200.0, False),
        ("redis.connect", 99.0, False),
        ("redis.*", 150.0, True),
        ("app.*", 150.0, False),
    ],
)
def test_a_window_covers_names_at_times(name: str, at: float, covered: bool) -> None:
    assert is_in_maintenance([PLANNED], name, at) is covered


def test_a_window_of_one_check_is_none_of_its_component() -> None:
    window = Silence("planned-2", "redis.connect", 0.0, 1_000.0)
    assert is_in_maintenance([window], "redis.connect", 5.0)
    assert not is_in_maintenance([window], "redis.*", 5.0)


def test_rounds_in_maintenance_are_marked_and_count_neither_way() -> None:
    failed = schemas.RoundSummary(150.0, "fail", "redis.connect", "down", 0.1)
    assert mark_maintenance([PLANNED], "redis.*", failed).maintenance
    assert not mark_maintenance([PLANNED], "app.*", failed).maintenance
    rounds = [(50.0, "fail"), (150.0, "fail"), (250.0, "pass")]
    left = leave_out_maintenance([PLANNED], "redis", rounds)
    assert [outcome for _, outcome in left] == ["fail", "skip", "pass"]

"""Who is told, and what is silenced."""

import datetime

import pytest

from pytest_flowhealth.alerts.engine import AlertInfo
from pytest_flowhealth.alerts.routing import make_silencer, matches
from pytest_flowhealth.alerts.store import Silence
from pytest_flowhealth.config.alerts import MaintenanceWindow

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


def subject(name: str) -> AlertInfo:
    return AlertInfo(name, "check", "redis", "critical", "it fails")


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("redis.connect", "redis.*", True),
        ("npm.audit", "redis.*", False),
        ("http.page[login]", "http.page[login]", True),
        ("http.pagel", "http.page[login]", False),
        ("highCPU", "high?PU", True),
    ],
)
def test_pattern_matches_names_and_brackets_literally(
    name: str, pattern: str, expected: bool
) -> None:
    assert matches(name, pattern) is expected


@pytest.mark.parametrize(
    ("silence", "expected"),
    [
        (MaintenanceWindow("redis.*", until=NOW), False),
        (MaintenanceWindow("redis.*", until=NOW + 2 * HOUR, start=NOW + HOUR), False),
        (MaintenanceWindow("redis.*", until=NOW + HOUR, start=NOW - HOUR), True),
        (MaintenanceWindow("npm.*", until=NOW + HOUR), False),
    ],
)
def test_maintenance_window_silences_between_its_start_and_its_end(
    silence: MaintenanceWindow, expected: bool
) -> None:
    assert make_silencer([silence], [], NOW)(subject("redis.connect")) is expected


def test_silence_by_command_ends_at_its_end() -> None:
    at = NOW.timestamp()

    assert make_silencer([], [Silence("1", "redis.*", at - 1, at + 1)], NOW)(
        subject("redis.connect")
    )
    assert not make_silencer([], [Silence("1", "redis.*", at - 2, at)], NOW)(
        subject("redis.connect")
    )

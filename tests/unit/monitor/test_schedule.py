"""When each component is due."""

import pytest

from pytest_flowhealth.monitor.schedule import REST, Schedule, choose_interval


def test_each_component_is_due_at_its_own_interval() -> None:
    schedule = Schedule()
    schedule.plan({"redis": 10.0, "npm": 30.0}, 0.0)

    due = {now: sorted(schedule.due(now)) for now in range(5, 65, 5)}

    assert due[10] == due[20] == ["redis"]
    assert due[30] == due[60] == ["npm", "redis"]
    assert due[5] == due[15] == []
    assert schedule.late == 0


def test_slot_that_comes_while_a_round_runs_is_skipped_and_counted() -> None:
    schedule = Schedule()
    schedule.plan({"redis": 10.0}, 0.0)

    assert schedule.skip(35.0) == 3
    assert schedule.late == 3
    assert schedule.due(39.0) == frozenset()
    assert schedule.due(40.0) == {"redis"}


def test_skipped_component_is_due_with_the_next_round() -> None:
    schedule = Schedule()
    schedule.plan({"own": 6.0, "other": 12.0}, 0.0)

    assert schedule.due(6.0) == {"own"}
    assert schedule.skip(12.0) == 2
    assert schedule.due(18.0) == {"own", "other"}
    assert schedule.due(24.0) == {"own", "other"}
    assert schedule.due(30.0) == {"own"}


def test_only_one_round_is_due_after_a_long_sleep() -> None:
    schedule = Schedule()
    schedule.plan({"redis": 10.0}, 0.0)

    assert schedule.due(1_000.0) == {"redis"}
    assert schedule.due(1_000.0) == frozenset()
    assert schedule.late == 99
    assert schedule.next() == 1_010.0


def test_new_plan_keeps_the_slots_of_unchanged_components() -> None:
    schedule = Schedule()
    schedule.plan({"redis": 10.0}, 0.0)
    schedule.plan({"redis": 10.0, "npm": 60.0}, 7.0)

    assert schedule.due(10.0) == {"redis"}
    assert schedule.due(67.0) == {"redis", "npm"}


@pytest.mark.parametrize(
    ("component", "general", "all_of_them", "seconds"),
    [
        ("redis", None, False, 60.0),
        ("npm", None, False, 3_600.0),
        ("system", None, False, REST),
        ("redis", 10.0, False, 10.0),
        ("npm", 10.0, False, 10.0),
        ("npm", 10.0, True, 3_600.0),
        ("wasm", 10.0, True, 86_400.0),
        ("build", 10.0, True, 10.0),
        ("own", 10.0, False, 42.0),
    ],
)
def test_interval_comes_from_configuration_option_or_default(
    component: str, general: float | None, all_of_them: bool, seconds: float
) -> None:
    assert choose_interval(component, general, {"own": 42.0}, all_of_them=all_of_them) == seconds

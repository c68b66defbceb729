"""Incidents, from the events of alerts."""

import datetime

import msgspec

from pytest_flowhealth.alerts.engine import Event
from pytest_flowhealth.web.incidents import list_incidents
from tests.kit.alerts import ALERT, START


def event(what: str, seconds: float, name: str = "redis.connect") -> Event:
    """Return an event so many seconds after the start, by the calendar."""
    at = START + datetime.timedelta(seconds=seconds)
    return Event(at, what, msgspec.structs.replace(ALERT, name=name, since=at))


def test_incident_lasts_from_its_begin_to_its_end_and_an_open_one_has_no_end() -> None:
    events = [event("firing", 90, "npm.installable"), event("resolved", 60), event("firing", 0)]

    open_, over = list_incidents(events, {}, {"npm.installable": "ann"})

    assert (over.alert, over.seconds) == ("redis.connect", 60.0)
    assert (open_.alert, open_.until, open_.acknowledged) == ("npm.installable", None, "ann")


def test_pending_alert_that_never_fired_is_no_incident() -> None:
    assert list_incidents([event("inactive", 5), event("pending", 0)], {}, {}) == []


def test_incident_is_over_though_the_clock_was_set_back_before_its_end() -> None:
    (incident,) = list_incidents([event("resolved", -3_600), event("firing", 0)], {}, {})

    assert incident.until is not None
    assert incident.seconds == 0.0

"""One alert: tables of histories as texts (b: its condition holds, -: it does not, ?: not known), and properties."""

import msgspec
import pytest

from pytest_flowhealth.alerts.state import AlertRoute, Policy, State, notify, step

OPS = AlertRoute("ops")


def phases(text: str, policy: Policy, seconds: float = 1.0) -> str:
    """Return the first letters of the phases that a history leads through."""
    state, found = State(), ""
    for number, one in enumerate(text):
        state = step(state, {"b": True, "-": False, "?": None}[one], seconds * number, policy)
        found += state.phase[0]
    return found


@pytest.mark.parametrize(
    ("history", "held", "expected"),
    [
        ("-b-b", 0, "ifrf"),
        ("bbbb", 3, "pppf"),
        ("bb-bbbb", 3, "ppipppf"),
        ("bb??bb", 3, "ppppff"),
        ("b??b", 5, "pppp"),
        ("?", 0, "i"),
        ("b????-", 0, "fffffr"),
        ("????", 0, "iiii"),
        ("b-?????", 0, "frrrrri"),
    ],
)
def test_condition_history_leads_through_these_phases(
    history: str, held: float, expected: str
) -> None:
    policy = Policy(held=held, cooldown=6 - 1, flap_changes=99)

    assert phases(history, policy) == expected


class Told:
    """A receiver's notes, and the state behind them."""

    def __init__(self, policy: Policy, *listeners: AlertRoute) -> None:
        self.state, self.policy = State(), policy
        self.listeners = listeners or (OPS,)
        self.notes: list[tuple[float, str, str]] = []

    def look(self, breached: bool | None, now: float, *, silenced: bool = False) -> None:
        self.state = step(self.state, breached, now, self.policy)
        self.state, notes = notify(self.state, now, self.policy, self.listeners, silenced=silenced)
        self.notes += [(now, one.receiver, one.kind) for one in notes]

    def kinds(self) -> list[str]:
        return [kind for _, _, kind in self.notes]


def test_cooldown_delays_the_next_message_and_hides_no_firing_alert() -> None:
    told = Told(Policy(cooldown=100.0, flap_changes=99))
    told.look(True, 0)
    told.look(False, 10)
    told.look(True, 20)
    assert told.state.fires
    told.look(True, 99)
    assert told.kinds() == ["firing", "resolved"]

    told.look(True, 100)

    assert told.notes[2:] == [(100, "ops", "firing")]


def test_silence_holds_back_firing_but_not_resolved() -> None:
    told = Told(Policy())
    told.look(True, 0, silenced=True)
    assert told.notes == []
    told.look(True, 60)
    told.look(True, 70, silenced=True)
    told.look(False, 80, silenced=True)

    assert told.notes == [(60, "ops", "firing"), (80, "ops", "resolved")]


def test_acknowledgement_ends_reminders() -> None:
    told = Told(Policy(cooldown=10.0), AlertRoute("ops", remind=60.0))
    for now in range(0, 130, 10):
        told.look(True, now)
    assert [at for at, _, _ in told.notes] == [0, 60, 120]

    told.state = msgspec.structs.replace(told.state, acknowledged=True)
    for now in range(130, 600, 10):
        told.look(True, now)
    told.look(False, 600)

    assert told.kinds() == ["firing", "reminder", "reminder", "resolved"]
    assert not told.state.acknowledged


def test_unacknowledged_alert_escalates_after_its_time() -> None:
    boss = AlertRoute("boss", escalate=300.0)
    told = Told(Policy(), OPS, boss)
    for now in range(0, 400, 50):
        told.look(True, now)
    told.look(False, 400)

    assert [(at, who) for at, who, kind in told.notes if kind == "firing"] == [
        (0, "ops"),
        (300, "boss"),
    ]
    assert {who for _, who, kind in told.notes if kind == "resolved"} == {"ops", "boss"}


def test_acknowledged_alert_does_not_escalate() -> None:
    told = Told(Policy(), OPS, AlertRoute("boss", escalate=300.0))
    told.look(True, 0)
    told.state = msgspec.structs.replace(told.state, acknowledged=True)
    told.look(True, 1_000)

    assert {who for _, who, _ in told.notes} == {"ops"}


def test_flapping_ends_after_half_its_window_without_a_change() -> None:
    told = Told(Policy(cooldown=1.0, flap_changes=4, flap_window=60.0))
    for now in range(6):
        told.look(now % 2 == 0, now)
    assert told.state.flapping
    told.look(False, 34.0)
    assert told.state.flapping

    told.look(None, 35.0)

    assert not told.state.flapping
    assert told.notes[-1] == (35.0, "ops", "resolved")


def test_acknowledgement_of_a_flapping_alert_lasts_over_its_changes() -> None:
    told = Told(
        Policy(cooldown=1.0, flap_changes=3, flap_window=600.0), AlertRoute("ops", remind=10.0)
    )
    for now in range(6):
        told.look(now % 2 == 0, now)
    told.state = msgspec.structs.replace(told.state, acknowledged=True)

    for now in range(6, 100):
        told.look(now % 2 == 0, now)

    assert told.state.acknowledged
    assert "reminder" not in told.kinds()
    told.look(False, 100)
    for now in range(101, 500):
        told.look(False, now)
    assert not told.state.acknowledged


def test_flapping_alert_notifies_once_after_its_silence_ends() -> None:
    told = Told(Policy(cooldown=5.0, flap_changes=4, flap_window=60.0))
    for now in range(60):
        told.look(now % 2 == 0, now, silenced=now < 30)

    assert told.notes == [(30, "ops", "flapping")]


def test_receiver_that_left_the_configuration_of_an_alert_still_gets_resolved() -> None:
    told = Told(Policy(), OPS, AlertRoute("night"))
    told.look(True, 0)
    told.listeners = (OPS,)

    told.look(False, 10)

    assert {who for _, who, kind in told.notes if kind == "resolved"} == {"ops", "night"}

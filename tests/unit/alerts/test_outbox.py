"""What waits for receivers: order, attempts, refusals, restarts, a day of outage."""

import random
from collections import defaultdict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flowhealth.alerts import outbox
from pytest_flowhealth.alerts.outbox import Outbox, Pending
from tests.kit.alerts import message


def first(box: Outbox, now: float, receiver: str = "ops") -> list[str]:
    return [lane[0].message.id for lane in box.due(receiver, now)]


def test_group_waits_for_its_first_message_and_for_no_other_group() -> None:
    box = Outbox()
    box.put([message("1"), message("2"), message("3", group="npm")], 0)

    box.failed("1", 0)

    assert first(box, 0) == ["3"]
    assert first(box, 10) == ["1", "3"]
    box.delivered("1")
    assert first(box, 10) == ["2", "3"]


def test_pauses_between_attempts_grow_up_to_five_minutes() -> None:
    box = Outbox(chance=random.Random(1))
    box.put([message("1")], 0)
    now, pauses = 0.0, []
    for _ in range(15):
        box.failed("1", now)
        due = box.everything()[0][0].due
        pauses.append(due - now)
        now = due

    assert all(0.5 * 2**n <= pause <= 2**n for n, pause in enumerate(pauses[:8]))
    assert all(150 <= pause <= 300 for pause in pauses[10:])


def test_receiver_may_ask_for_a_pause_of_up_to_an_hour() -> None:
    box = Outbox()
    box.put([message("1")], 0)
    box.failed("1", 0, retry_after=120)
    assert first(box, 119) == []
    assert first(box, 120) == ["1"]
    box.failed("1", 120, retry_after=1e9)
    assert first(box, 120 + 3_600) == ["1"]


def test_refused_message_is_given_up_and_the_next_one_follows() -> None:
    box = Outbox()
    box.put([message("bad"), message("good")], 0)
    now = 0.0
    given_up = False
    while not given_up:
        now += 600
        assert first(box, now) == ["bad"]
        given_up = box.refused("bad", now)

    assert first(box, now) == ["good"]
    assert now <= 5 * 600


def test_full_outbox_drops_reminders_first_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MOST", 3)
    box = Outbox()
    box.put([message("1"), message("2", kind="reminder"), message("3")], 0)

    (problem,) = box.put([message("4")], 1)

    assert "reminder" in problem
    assert [pending.message.id for pending in box.everything()[0]] == ["1", "3", "4"]


def test_messages_for_a_removed_receiver_are_given_up() -> None:
    box = Outbox()
    box.put([message("1"), message("2", receiver="gone")], 0)

    assert [one.id for one in box.set_aside(["ops"])] == ["2"]
    assert len(box) == 1


def test_day_of_outage_loses_nothing_keeps_the_order_and_spares_the_receiver() -> None:
    """A message a minute for a day, to a receiver that answers with an error all the time; then it does not."""
    box = Outbox(chance=random.Random(7))
    sent: dict[str, list[str]] = defaultdict(list)
    arrived: dict[str, list[str]] = defaultdict(list)
    attempts = 0
    day = 86_400
    for second in range(0, day + 7_200, 60):
        if second < day:
            group = ("redis", "npm", "fleet")[second // 60 % 3]
            name = f"{group}-{second}"
            box.put([message(name, group=group)], second)
            sent[group].append(name)
        for lane in box.due("ops", second):
            for one in lane:
                attempts += 1
                if second < day:
                    box.failed(one.message.id, second)
                    break
                arrived[one.message.group].append(one.message.id)
                box.delivered(one.message.id)

    assert arrived == sent
    assert len(box) == 0
    assert attempts < 5_000  # the receiver was not run over


class Disk:
    """Where changes are saved."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}

    def save(self, box: Outbox) -> None:
        kept, gone = box.changes()
        self.rows |= {one.message.id: msgspec.msgpack.encode(one) for one in kept}
        for name in gone:
            self.rows.pop(name, None)
        box.saved()

    def restored(self) -> Outbox:
        rows = [msgspec.msgpack.decode(one, type=Pending) for one in self.rows.values()]
        random.Random(3).shuffle(rows)
        return Outbox(rows, random.Random(5))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "deliver", "fail", "save", "restart"]),
        st.sampled_from(["redis", "npm"]),
    ),
    max_size=60,
)


class Play:
    """An outbox, its disk and its receiver, to which steps happen."""

    def __init__(self) -> None:
        self.box, self.disk, self.now = Outbox(chance=random.Random(5)), Disk(), 0.0
        self.sent: dict[str, list[str]] = defaultdict(list)
        self.arrived: dict[str, list[str]] = defaultdict(list)

    def put(self, group: str) -> None:
        name = str(self.now)
        self.box.put([message(name, group=group)], self.now)
        self.sent[group].append(name)
        self.disk.save(self.box)  # as the monitor does before it sends

    def deliver(self, most: int = 1) -> None:
        for lane in self.box.due("ops", self.now):
            for one in lane[:most]:
                self.arrived[one.message.group].append(one.message.id)
                self.box.delivered(one.message.id)

    def fail(self) -> None:
        for lane in self.box.due("ops", self.now):
            self.box.failed(lane[0].message.id, self.now)

    def step(self, what: str, group: str) -> None:
        self.now += 400
        if what == "put":
            self.put(group)
        elif what == "deliver":
            self.deliver()
        elif what == "fail":
            self.fail()
        elif what == "save":
            self.disk.save(self.box)
        else:
            self.box = self.disk.restored()


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_stored_messages_arrive_in_order_over_failures_and_restarts(
    steps: list[tuple[str, str]],
) -> None:
    play = Play()
    for what, group in steps:
        play.step(what, group)
    play.now += 1_000
    play.deliver(100)
    for group, names in play.sent.items():
        # The first time that each arrives is in order.
        assert list(dict.fromkeys(play.arrived[group])) == names

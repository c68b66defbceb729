"""What waits for receivers: order, attempts, refusals and restarts."""

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


def test_messages_about_an_alert_keep_their_order_and_delay_no_others() -> None:
    box = Outbox()
    box.put([message("1"), message("2"), message("3", group="npm")], 0)

    box.reschedule("1", 0)

    assert first(box, 0) == ["3"]
    assert first(box, 10) == ["1", "3"]
    box.remove("1")
    assert first(box, 10) == ["2", "3"]


def test_pauses_between_attempts_grow_up_to_five_minutes() -> None:
    box = Outbox(chance=random.Random(1))
    box.put([message("1")], 0)
    now, pauses = 0.0, []
    for _ in range(15):
        box.reschedule("1", now)
        due = box.list_all()[0][0].due
        pauses.append(due - now)
        now = due

    assert all(0.5 * 2**n <= pause <= 2**n for n, pause in enumerate(pauses[:8]))
    assert all(150 <= pause <= 300 for pause in pauses[10:])


def test_receiver_may_ask_for_a_pause_of_up_to_an_hour() -> None:
    box = Outbox()
    box.put([message("1")], 0)
    box.reschedule("1", 0, retry_after=120)
    assert first(box, 119) == []
    assert first(box, 120) == ["1"]
    box.reschedule("1", 120, retry_after=1e9)
    assert first(box, 120 + 3_600) == ["1"]


def test_refused_message_is_given_up_at_once_and_the_next_one_follows() -> None:
    box = Outbox()
    box.put([message("bad"), message("good")], 0)

    box.remove("bad")

    assert first(box, 0) == ["good"]


def test_message_waits_only_for_earlier_ones_about_the_same_alert() -> None:
    box = Outbox()
    both = msgspec.structs.replace(
        message("3"), alerts=(*message("").alerts, *message("", group="npm").alerts)
    )
    box.put([message("1"), message("2", group="npm"), both, message("4", group="wasm")], 0)

    lanes = [[one.message.id for one in lane] for lane in box.due("ops", 0)]
    assert sorted(lanes) == [["1", "2", "3"], ["4"]]
    box.reschedule("1", 0)
    assert [[one.message.id for one in lane] for lane in box.due("ops", 0)] == [["2"], ["4"]]


def test_full_outbox_drops_reminders_first_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MOST", 3)
    box = Outbox()
    box.put([message("1"), message("2", kind="reminder"), message("3")], 0)

    (problem,) = box.put([message("4")], 1)

    assert "reminder" in problem
    assert [pending.message.id for pending in box.list_all()[0]] == ["1", "3", "4"]


STEPS = st.tuples(
    st.sampled_from(["put", "deliver", "fail", "restart"]), st.sampled_from(["redis", "npm"])
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_stored_messages_arrive_in_order_over_failures_and_restarts(
    steps: list[tuple[str, str]],
) -> None:
    box, rows, now = Outbox(chance=random.Random(5)), dict[str, bytes](), 0.0
    sent, arrived = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for what, group in [*steps, *[("deliver", "")] * len(steps)]:
        now += 1_000
        if what == "put":
            box.put([message(str(now), group=group)], now)
            sent[group].append(str(now))
            kept, gone = (
                box.list_changes()
            )  # saved before anything is sent; what follows may be lost
            rows |= {pending.message.id: msgspec.msgpack.encode(pending) for pending in kept}
            rows = {name: row for name, row in rows.items() if name not in gone}
            box.mark_saved(kept, gone)
        elif what == "restart":
            pending = [msgspec.msgpack.decode(row, type=Pending) for row in rows.values()]
            box = Outbox(pending[::-1], random.Random(5))
        else:
            for head, *_ in box.due("ops", now):
                if what == "fail":
                    box.reschedule(head.message.id, now)
                    continue
                arrived[head.message.group].append(head.message.id)
                box.remove(head.message.id)
    for group, names in sent.items():
        # The first time that each arrives is in order.
        assert list(dict.fromkeys(arrived[group])) == names

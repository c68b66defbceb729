"""The feed of changes that pages and their WebSocket read."""

import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flowhealth.web.delta_log import REMEMBERED, DeltaLog

VALUES = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=12), st.data())
def test_who_was_away_has_the_same_as_who_stayed(
    states: list[dict[str, int]], data: st.DataObject
) -> None:
    feed = DeltaLog()
    away = data.draw(st.integers(0, len(states)))
    page: dict[str, int] = {}
    epoch, seq = feed.epoch, None
    for number, state in enumerate(states):
        if number == away:
            page, seq = dict(states[number - 1]) if number else {}, feed.seq
        feed.take(
            {key: msgspec.Raw(json.dumps(one).encode()) for key, one in state.items()},
            float(number),
        )
    message = json.loads(feed.since(epoch, seq))
    if message["type"] == "snapshot":
        page = message["state"]
    else:
        assert message["from"] == seq
        page |= message["set"]
        for key in message["gone"]:
            page.pop(key, None)
    assert page == states[-1]
    assert message["seq"] == len(states)


def test_only_what_changed_is_told() -> None:
    feed = DeltaLog()
    feed.take({"a": msgspec.Raw(b"1"), "b": msgspec.Raw(b"2")}, 1.0)
    told = json.loads(feed.take({"a": msgspec.Raw(b"1"), "c": msgspec.Raw(b"3")}, 2.0))
    assert told == {"type": "changes", "seq": 2, "at": 2.0, "set": {"c": 3}, "gone": ["b"]}


def test_who_was_away_for_too_long_or_saw_another_server_gets_all() -> None:
    feed = DeltaLog()
    for number in range(REMEMBERED + 5):
        feed.take({"a": msgspec.Raw(str(number).encode())}, 0.0)
    for epoch, seq in (
        (feed.epoch, 2),
        ("other", feed.seq),
        (feed.epoch, feed.seq + 7),
        (None, None),
    ):
        assert json.loads(feed.since(epoch, seq))["type"] == "snapshot"
    assert json.loads(feed.since(feed.epoch, feed.seq))["set"] == {}


def test_what_is_sent_on_connecting_says_how_old_it_is() -> None:
    feed = DeltaLog()
    assert json.loads(feed.since(None, None))["age"] is None
    feed.take({"a": msgspec.Raw(b"1")}, 1.0)
    assert 0 <= json.loads(feed.since(None, None))["age"] < 60
    assert 0 <= json.loads(feed.since(feed.epoch, feed.seq))["age"] < 60

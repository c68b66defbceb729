"""INFO and the slow log, read with care."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import NoPermissionError, ResponseError

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.redis.info import MemoryInfo, read_slow_commands, read_state
from tests.kit.redis_replies import INFO, ScriptedSession, state

DENIED = NoPermissionError("this user has no permissions")


def test_fields_are_read_by_their_kind_and_one_of_another_kind_is_left_out() -> None:
    found = state(used_memory="much", maxmemory=7, db3={"keys": 5, "expires": 2}, dbx=1)
    assert (found.memory.used_memory, found.memory.maxmemory) == (None, 7)
    assert {number: keys.keys for number, keys in found.databases.items()} == {3: 5}


@pytest.mark.parametrize(
    ("fields", "product"),
    [
        ({}, "Redis 7.0.15"),
        ({"server_name": "valkey", "valkey_version": "8.1.0"}, "Valkey 8.1.0"),
        ({"dragonfly_version": "df-v1.30"}, "Dragonfly df-v1.30"),
    ],
)
def test_servers_that_speak_redis_are_named(fields: dict[str, str], product: str) -> None:
    assert state(**fields).product == product


@given(st.dictionaries(st.sampled_from([*INFO, "slave0", "db0"]), st.integers() | st.text()))
def test_any_answer_is_read_without_an_error(fields: dict[str, Any]) -> None:
    state(**fields)


@pytest.mark.parametrize(("maxmemory", "share"), [(200, 40.0), (0, None), (None, None)])
def test_the_share_of_maxmemory_leaves_out_what_is_not_counted(
    maxmemory: int | None, share: float | None
) -> None:
    memory = MemoryInfo(used_memory=100, maxmemory=maxmemory, mem_not_counted_for_evict=20)
    assert memory.share == share


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (b"", "tells no version"),
        (DENIED, "'default' send INFO"),
        (ResponseError("ERR unknown command 'INFO'"), "refused INFO: ERR unknown command"),
        (ResponseError("ERR Command is not available: 'INFO'"), "not available"),
    ],
)
def test_without_info_nothing_is_measured(reply: object, says: str) -> None:
    with pytest.raises(MeasurementUnavailable, match=says):
        read_state(ScriptedSession({"INFO": reply}))


def entry(at: int, *words: bytes, micros: int = 5_000) -> list[object]:
    return [1, at, micros, list(words), b"127.0.0.1:1", b""]


def test_recent_entries_of_the_slow_log_are_returned_without_their_arguments() -> None:
    entries = [entry(990, b"EVAL", b"s3cret"), entry(800, b"KEYS", b"*"), entry(1_010, b"SET")]
    replies: dict[str, object] = {"SLOWLOG GET 128": entries, "TIME": [b"1000", b"0"]}

    found = read_slow_commands(ScriptedSession(replies), 60)

    assert [(one.command, one.milliseconds, one.age) for one in found] == [
        ("EVAL", 5.0, 10.0),
        ("SET", 5.0, 0.0),
    ]
    assert "s3cret" not in repr(found)
    # Our own clock dates them where the server tells no time: it is much later.
    assert (
        read_slow_commands(
            ScriptedSession({**replies, "TIME": ResponseError("ERR unknown command")}), 60
        )
        == ()
    )
    with pytest.raises(MeasurementUnavailable, match="send SLOWLOG"):
        read_slow_commands(ScriptedSession({**replies, "SLOWLOG GET 128": DENIED}), 60)

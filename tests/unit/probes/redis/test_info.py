"""INFO and the slow log, read with care."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import NoPermissionError, ResponseError

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.redis.info import Info, Memory, slow_log, state
from tests.kit.redis_replies import ScriptedSession
from tests.kit.redis_replies import state as state_of

DENIED = NoPermissionError("this user has no permissions")


def test_fields_are_read_by_their_kind() -> None:
    info = Info.of(
        b"# Memory\r\nused:12\r\nratio:1.5\r\nloading:1\r\nslave0:ip=::1,lag=0\r\nno\r\n"
    )
    assert info.whole("used") == 12
    assert info.real("ratio") == 1.5
    assert info.yes("loading")
    assert info.parts("slave0") == {"ip": "::1", "lag": "0"}
    assert (info.text("none"), info.whole("ratio"), info.real("slave0")) == (None, None, None)


@given(st.binary() | st.none() | st.lists(st.integers()))
def test_any_answer_is_read_without_an_error(reply: object) -> None:
    info = Info.of(reply)
    for name in ("", "a", "used_memory"):
        info.text(name), info.whole(name), info.real(name), info.parts(name)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "x", ""])
def test_a_number_that_is_not_finite_is_none(text: str) -> None:
    assert Info({"a": text}).real("a") is None


@pytest.mark.parametrize(
    ("maxmemory", "policy", "share"),
    [
        (200, "noeviction", 40.0),
        (200, None, 40.0),
        (200, "allkeys-lru", None),
        (0, "noeviction", None),
        (None, "noeviction", None),
    ],
)
def test_the_share_of_maxmemory_is_known_only_where_writes_are_refused(
    maxmemory: int | None, policy: str | None, share: float | None
) -> None:
    assert Memory(100, 100, 100, maxmemory, policy, 20, 1.0).share == share


def test_a_replica_and_its_primary_tell_of_each_other() -> None:
    theirs = state_of(
        role="slave",
        master_host="10.0.0.1",
        master_port=6379,
        master_link_status="down",
        master_link_down_since_seconds=9,
        master_sync_in_progress=1,
    ).replication
    assert (theirs.primary, theirs.link, theirs.down, theirs.syncing) == (
        "10.0.0.1:6379",
        "down",
        9,
        True,
    )
    ours = state_of(connected_slaves=1, slave0="ip=::1,port=7,state=online,lag=3").replication
    assert ours.primary == ""
    assert [(one.place, one.state, one.lag) for one in ours.replicas] == [("::1:7", "online", 3)]


def test_what_a_release_does_not_tell_is_none() -> None:
    found = state_of(used_memory=None, maxclients=None, uptime_in_seconds=None)
    assert (found.memory.used, found.clients.most, found.uptime) == (None, None, None)


@pytest.mark.parametrize(
    ("reply", "says"), [(b"", "tells no version"), (DENIED, "the default user|'default' send INFO")]
)
def test_without_info_nothing_is_measured(reply: object, says: str) -> None:
    with pytest.raises(MeasurementUnavailable, match=says):
        state(ScriptedSession({"INFO": reply}))


def entry(at: int, *words: bytes, micros: int = 5_000) -> list[object]:
    return [1, at, micros, list(words), b"127.0.0.1:1", b""]


def test_recent_entries_of_the_slow_log_are_returned_without_their_arguments() -> None:
    entries = [entry(990, b"EVAL", b"s3cret"), entry(800, b"KEYS", b"*"), entry(1_010, b"SET")]
    session = ScriptedSession({"SLOWLOG GET 128": entries, "TIME": [b"1000", b"0"]})

    found = slow_log(session, 60)

    assert [(one.command, one.milliseconds, one.age) for one in found] == [
        ("EVAL", 5.0, 10.0),
        ("SET", 5.0, 0.0),
    ]
    assert "s3cret" not in repr(found)


def test_our_own_clock_dates_the_slow_log_where_the_server_tells_no_time() -> None:
    session = ScriptedSession({"SLOWLOG": [entry(0, b"GET")], "TIME": ResponseError("ERR x")})

    assert slow_log(session, 60) == ()


def test_a_user_who_may_not_read_the_slow_log_leaves_it_unmeasured() -> None:
    with pytest.raises(MeasurementUnavailable, match="send SLOWLOG"):
        slow_log(ScriptedSession({"SLOWLOG": DENIED}), 60)

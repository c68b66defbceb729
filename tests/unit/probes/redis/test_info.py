"""INFO and the slow log, read with care."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import NoPermissionError, ResponseError

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.redis.info import Info, Memory, slow_log, state
from tests.kit.redis_replies import ScriptedSession

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
    assert {Info({"a": text}).real("a") for text in ("nan", "inf", "-inf", "")} == {None}


@given(st.binary() | st.none() | st.lists(st.integers()))
def test_any_answer_is_read_without_an_error(reply: object) -> None:
    info = Info.of(reply)
    for name in ("", "a", "used_memory"):
        info.text(name), info.whole(name), info.real(name), info.parts(name)


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
    replies: dict[str, object] = {"SLOWLOG GET 128": entries, "TIME": [b"1000", b"0"]}

    found = slow_log(ScriptedSession(replies), 60)

    assert [(one.command, one.milliseconds, one.age) for one in found] == [
        ("EVAL", 5.0, 10.0),
        ("SET", 5.0, 0.0),
    ]
    assert "s3cret" not in repr(found)
    # Our own clock dates them where the server tells no time: it is much later.
    assert slow_log(ScriptedSession({**replies, "TIME": ResponseError("ERR x")}), 60) == ()
    with pytest.raises(MeasurementUnavailable, match="send SLOWLOG"):
        slow_log(ScriptedSession({**replies, "SLOWLOG GET 128": DENIED}), 60)

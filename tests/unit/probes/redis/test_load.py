"""How much load there is, and what becomes of what several servers took."""

import pytest
from redis.exceptions import OutOfMemoryError, ResponseError

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.redis import load, probe
from pytest_flowhealth.probes.redis.key import TTL_MS, OwnKey, random_name
from pytest_flowhealth.probes.redis.load import Latency, LoadLimit, Throughput
from tests.kit.redis_replies import ScriptedSession

FULL = OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
WELL = {"PING": b"PONG", "SET": b"OK", "DEL": 1}


@pytest.mark.parametrize(
    ("count", "seconds", "spent"),
    [
        (0, 0.0, False),
        (19, 1.5, False),
        (20, 0.9, False),
        (20, 1.0, True),
        (50, 0.1, True),
        (3, 10.0, True),
    ],
)
def test_a_budget_ends_by_count_by_time_or_in_any_case(
    count: int, seconds: float, spent: bool
) -> None:
    assert LoadLimit(count=50).spent(count, seconds) is spent


def test_a_share_of_a_budget_is_never_nothing() -> None:
    share = LoadLimit(count=50, seconds=1.0, least=20, longest=10.0).share(64)
    assert (share.count, share.least) == (1, 1)
    assert not share.spent(0, 0.0)


@pytest.mark.parametrize(
    ("allowed", "mix"),
    [
        (("PING", "SET", "GET", "DEL"), {"SET": 100, "GET": 900}),
        (("PING", "GET"), {"GET": 1_000}),
        (("PING", "SET"), {"SET": 1_000}),
        (("PING",), {"PING": 1_000}),
    ],
)
def test_a_pipeline_is_mixed_of_the_allowed_commands(
    allowed: tuple[str, ...], mix: dict[str, int]
) -> None:
    commands = load._mix(allowed)
    assert {name: commands.count(name) for name in set(commands)} == mix


def test_latencies_of_several_servers_are_joined() -> None:
    parts = [
        Latency((1.0, 2.0), {"PING": (1.0,), "SET": (2.0,)}, (0.1, 0.1), {}, 10, 5),
        Latency((3.0,), {"PING": (3.0,)}, (0.2,), {"SET": "full"}, 4, 2),
    ]
    assert load.join_latencies(parts) == Latency(
        samples=(1.0, 2.0, 3.0),
        by_command={"PING": (1.0, 3.0), "SET": (2.0,)},
        client=(0.1, 0.1, 0.2),
        refused={"SET": "full"},
        sent=14,
        received=7,
    )


def test_throughputs_of_several_servers_add_up() -> None:
    parts = [
        Throughput(100, 1.0, 0.5, ("SET", "GET"), {}, 10, 5),
        Throughput(50, 2.0, 0.5, ("GET",), {"SET": "full"}, 4, 2),
    ]
    assert load.join_throughputs(parts) == Throughput(
        150, 3.0, 1.0, ("SET", "GET"), {"SET": "full"}, 14, 7
    )


def test_each_key_has_a_random_name_and_expires_by_itself() -> None:
    names = {random_name("ours:") for _ in range(100)}
    assert len(names) == 100
    assert {(name[:11], len(name)) for name in names} == {("ours:check:", 43)}
    key = OwnKey(lambda: "k")
    assert key.words("SET") == ("SET", "k", key.value, "PX", TTL_MS)
    assert TTL_MS <= 10_000


def test_other_names_are_tried_where_another_node_holds_the_key_but_not_for_ever() -> None:
    names = (f"k{number}" for number in range(1_000))
    session = ScriptedSession({"SET": ResponseError("MOVED 5 10.0.0.1:7000")})
    with pytest.raises(ResponseError, match="MOVED"):
        OwnKey(lambda: next(names)).ask(session, "SET")
    assert len({words.split()[1] for words in session.asked}) == len(session.asked) > 2


@pytest.mark.parametrize(
    ("replies", "says"),
    [
        ({"GET": None}, "gave nothing back"),
        ({"GET": b"other"}, "gave b'other' back"),
        ({"SET": None}, "answered SET with None"),
        ({"DEL": 0}, "did not delete k: DEL answered 0"),
        ({"SET": FULL}, "is full"),
    ],
)
def test_a_round_trip_fails_where_what_was_written_is_not_read_or_stays(
    replies: dict[str, object], says: str
) -> None:
    key = OwnKey(lambda: "k")
    stored = {"GET": iter((key.value, None))}
    with pytest.raises(CheckFailed, match=says):
        probe._roundtrip(ScriptedSession({**WELL, **stored, **replies}), key)

"""What Sentinels and nodes of a cluster answer, and which servers that means."""

import time
from collections.abc import Mapping
from typing import Any

import pytest
from redis.crc import key_slot
from redis.exceptions import NoPermissionError, ResponseError

from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes.redis import topology
from pytest_flowhealth.probes.redis.address import parse_address
from pytest_flowhealth.probes.redis.topology import Node, NodeView
from tests.kit.redis_replies import scripted_dialer

CLUSTER = "redis+cluster://:pw@a:1,b:2"
SENTINEL = "redis+sentinel://:pw@a:1,b:2/mymaster/3?sentinel_password=s3cret"
MANY = [[slot, slot, [b"h", slot]] for slot in range(65)]
DOWN = CheckFailed("no Redis listens there", remedy="start it")
DENIED = NoPermissionError("this user has no permissions")
UNKNOWN = ResponseError("ERR unknown command")
SLOTS = [[0, 8191, [b"10.0.0.1", 7000]], [8192, 16383, [b"10.0.0.2", 7001], [b"10.0.0.3", 7002]]]
NAMED = {"SENTINEL GET-MASTER-ADDR-BY-NAME mymaster": [b"10.0.0.9", b"6379"]}
INFO = b"cluster_state:%s\r\ncluster_slots_ok:%s\r\ncluster_known_nodes:2\r\n"
MASTER = [b"ip", b"10.0.0.9", b"port", b"6379", b"flags", b"master", b"quorum", b"2"]

Servers = Mapping[int, Mapping[str, Any] | Exception]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that puts servers behind the ports 1 and 2."""

    def put(servers: Servers) -> None:
        monkeypatch.setattr(topology, "ConnectionFactory", scripted_dialer(servers))

    return put


def resolve(url: str) -> tuple[Node, ...]:
    return topology.resolve(parse_address(url, "here"), 1.0, time.monotonic)


def look(url: str) -> tuple[NodeView, ...]:
    return topology.view_nodes(parse_address(url), 1.0, time.monotonic)


def test_a_single_server_is_asked_nothing(scripted: Any) -> None:
    scripted({})
    (node,) = resolve("redis://a:1")
    assert (node.address.place, node.slots) == ("a:1", None)


def test_the_primaries_of_a_cluster_are_found_with_their_slots(scripted: Any) -> None:
    scripted({1: DOWN, 2: {"CLUSTER SLOTS": SLOTS}})
    nodes = resolve(CLUSTER)
    assert [(one.address.place, one.slots, one.replicas) for one in nodes] == [
        ("10.0.0.1:7000", ((0, 8191),), 0),
        ("10.0.0.2:7001", ((8192, 16383),), 1),
    ]
    assert {one.address.origin for one in nodes} == {"here, by the cluster's node b:2"}
    assert nodes[0].address.password is not None


@pytest.mark.parametrize("host", [b"", None, b"?"])
def test_a_node_that_does_not_know_its_host_is_where_it_was_asked(
    scripted: Any, host: bytes | None
) -> None:
    scripted({1: {"CLUSTER SLOTS": [[0, 16383, [host, 7000]]]}})
    assert [one.address.place for one in resolve("redis+cluster://a:1")] == ["a:7000"]


def test_the_primary_that_a_sentinel_names_is_found(scripted: Any) -> None:
    scripted({1: DOWN, 2: NAMED})
    (node,) = resolve(SENTINEL)
    assert (node.address.place, node.address.database) == ("10.0.0.9:6379", 3)
    assert node.address.origin == "here, by the Sentinel at b:2"


def test_a_sentinel_is_asked_with_its_own_password() -> None:
    seeds = [*topology.seeds(parse_address(SENTINEL))]
    assert [seed.place for seed in seeds] == ["a:1", "b:2"]
    assert {seed.password.reveal() for seed in seeds if seed.password} == {"s3cret"}
    assert {seed.database for seed in seeds} == {0}


@pytest.mark.parametrize(
    ("url", "servers", "kind", "says"),
    [
        (CLUSTER, {1: DOWN, 2: DOWN}, CheckFailed, "no node of the cluster tells where Redis is"),
        (SENTINEL, {1: DOWN, 2: DOWN}, CheckFailed, "no Sentinel tells where Redis is"),
        ("redis+cluster://a:1", {1: DOWN}, CheckFailed, r"\Ano Redis listens there\Z"),
        (CLUSTER, {1: {"CLUSTER": []}, 2: DOWN}, CheckFailed, "has given its slots to no node"),
        (CLUSTER, {1: {"CLUSTER": UNKNOWN}, 2: DOWN}, CheckFailed, "is not a node of a cluster"),
        (SENTINEL, {1: {"SENTINEL": UNKNOWN}, 2: DOWN}, CheckFailed, "is not a Sentinel"),
        (SENTINEL, {1: {"SENTINEL": None}, 2: DOWN}, CheckFailed, "knows no service 'mymaster'"),
        ("redis+cluster://a:1", {1: {"CLUSTER": DENIED}}, MeasurementUnavailable, "send CLUSTER"),
        (
            CLUSTER,
            {1: {"CLUSTER": DENIED}, 2: {"CLUSTER": DENIED}},
            MeasurementUnavailable,
            "no node of",
        ),
        (CLUSTER, {1: {"CLUSTER": DENIED}, 2: DOWN}, CheckFailed, "no node of the cluster"),
        (
            "redis+cluster://a:1",
            {1: {"CLUSTER": MANY}},
            MeasurementUnavailable,
            "has 65 primaries, more than",
        ),
    ],
)
def test_without_an_answer_the_problem_of_each_is_told(
    scripted: Any, url: str, servers: Servers, kind: type[FlowHealthError], says: str
) -> None:
    scripted(servers)
    with pytest.raises(kind, match=says):
        resolve(url)


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (INFO % (b"ok", b"16384"), ""),
        (INFO % (b"fail", b"8192"), "the cluster's state is fail"),
        (INFO % (b"ok", b"8192"), "8192 of 16384 slots are served"),
        (UNKNOWN, "what answers at a:1 is not a node of a cluster (the address)"),
    ],
)
def test_a_node_says_whether_the_cluster_serves_all_slots(
    scripted: Any, reply: object, problem: str
) -> None:
    scripted({1: {"CLUSTER INFO": reply}})
    (seen,) = look("redis+cluster://a:1")
    assert (seen.place, seen.problem) == ("a:1", problem)


def flags(text: bytes) -> list[bytes]:
    return [text if word == b"master" else word for word in MASTER]


@pytest.mark.parametrize(
    ("master", "quorum", "problem"),
    [
        (MASTER, b"OK 2 usable", ""),
        (MASTER, DENIED, ""),
        (MASTER, ResponseError("NOQUORUM 1 usable"), "NOQUORUM 1 usable"),
        (flags(b"master,o_down"), b"OK", "the primary is master,o_down"),
    ],
)
def test_a_sentinel_says_whether_the_primary_is_up_and_could_be_replaced(
    scripted: Any, master: object, quorum: object, problem: str
) -> None:
    scripted({1: {"SENTINEL MASTER": master, "SENTINEL CKQUORUM": quorum}})
    (seen,) = look("redis+sentinel://a:1/mymaster")
    assert (seen.problem, seen.primary, seen.facts["quorum"]) == (problem, "10.0.0.9:6379", "2")


def test_each_of_several_is_looked_at_by_itself(scripted: Any) -> None:
    scripted({1: DOWN, 2: {"CLUSTER": DENIED}})
    down, denied = look(CLUSTER)
    assert (down.problem, denied.problem) == ("no Redis listens there", "")
    assert "send CLUSTER" in denied.facts["not looked at"]


def test_a_name_is_chosen_that_the_node_holds() -> None:
    numbers = iter(range(100_000))
    node = Node(parse_address("redis://h"), ((0, 99),))
    assert key_slot(node.name(lambda: f"k{next(numbers)}").encode()) <= 99


def test_a_tag_that_ties_all_names_to_one_slot_ends_the_search_at_once() -> None:
    # Any will do then, and the server refuses it.
    names = iter([f"{{tag}}:{number}" for number in range(5)])
    assert (
        Node(parse_address("redis://h"), ((0, 1),)).name(lambda: next(names)).startswith("{tag}:")
    )

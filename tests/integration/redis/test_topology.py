"""Sentinels and clusters: real ones, whole and broken."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_flowhealth.errors import ProbeError, Unmeasured
from pytest_flowhealth.probes.redis import topology as redis_topology
from pytest_flowhealth.probes.redis.address import parse
from pytest_flowhealth.probes.redis.probe import RedisProbe
from pytest_flowhealth.probes.redis.topology import Node
from tests.kit import redis as servers
from tests.kit.redis import RedisServer, Sentinel, free_port, silent, tcp_server

pytestmark = pytest.mark.skipif(servers.REDIS_SERVER is None, reason="needs redis-server")


def whole(probe: RedisProbe) -> None:
    """Assert that every question is answered, and no key left."""
    assert len(probe.connect()) >= 20
    probe.ping()
    assert probe.roundtrip().refused == {}
    taken = probe.command_latency()
    assert set(taken.by_command) == {"PING", "SET", "GET", "DEL"}
    assert taken.refused == {}
    assert probe.throughput().mix == ("SET", "GET")
    probe.slow_log(60)
    assert len(probe.state()) == len(probe.nodes)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    with servers.cluster(tmp_path_factory.mktemp("cluster")) as nodes:
        yield nodes


def address(nodes: list[RedisServer], scheme: str = "redis+cluster") -> str:
    return f"{scheme}://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


def test_a_cluster(three: list[RedisServer]) -> None:
    probe = RedisProbe(address(three[:1]))
    whole(probe)
    assert {node.address.port for node in probe.nodes} == {node.port for node in three}
    assert (
        sum(last - first + 1 for node in probe.nodes for first, last in node.slots or ()) == 16_384
    )
    assert [node.keys() for node in three] == [[], [], []]
    (seen,) = probe.seen()
    assert seen.problem == ""
    assert seen.facts["slots_ok"] == "16384"


def test_a_seed_that_is_down_is_passed_over(three: list[RedisServer]) -> None:
    url = f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{three[2].port}"
    probe = RedisProbe(url)
    probe.ping()
    down, up = probe.seen()
    assert "no Redis listens" in down.problem
    assert up.problem == ""


def test_a_prefix_whose_tag_ties_all_keys_to_one_node(three: list[RedisServer]) -> None:
    taken = RedisProbe(address(three), prefix="{tag}:").command_latency()
    assert set(taken.by_command) == {"PING", "SET", "GET", "DEL"}
    assert "MOVED" in taken.refused["SET"] or "holds none" in taken.refused["SET"]


def test_a_node_by_its_own_address(three: list[RedisServer]) -> None:
    whole(RedisProbe(three[1].url))


def test_one_node_with_all_slots(tmp_path: Path) -> None:
    with servers.cluster(tmp_path / "c", nodes=1) as nodes:
        whole(RedisProbe(address(nodes)))


def test_a_cluster_that_has_lost_a_node(tmp_path: Path) -> None:
    with servers.cluster(tmp_path / "c") as nodes:
        for node in nodes:
            node.command("CONFIG", "SET", "cluster-node-timeout", 500)
        nodes[2].stop()
        nodes[0].until_said(b"cluster_state:fail", "CLUSTER INFO")
        probe = RedisProbe(address(nodes[:2]))
        with pytest.raises(ProbeError, match=rf"no Redis listens at 127\.0\.0\.1:{nodes[2].port}"):
            probe.connect()
        assert {one.problem for one in probe.seen()} == {"the cluster's state is fail"}


def test_a_cluster_without_slots(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "r", *servers.clustered(free_port())) as server:
        probe = RedisProbe(address([server]))
        with pytest.raises(ProbeError, match="has given its slots to no node"):
            probe.connect()


def test_a_server_that_is_no_cluster_and_no_sentinel(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "r") as server:
        with pytest.raises(ProbeError, match="is not a node of a cluster"):
            RedisProbe(address([server])).connect()
        with pytest.raises(ProbeError, match="is not a Sentinel"):
            RedisProbe(address([server], "redis+sentinel") + "/mymaster").connect()


def test_a_user_who_may_not_ask_the_cluster(tmp_path: Path) -> None:
    with servers.cluster(tmp_path / "c", nodes=1) as (server,):
        server.command("ACL", "SETUSER", "app", "on", ">s3cret", "+ping")
        probe = RedisProbe(f"redis+cluster://app:s3cret@127.0.0.1:{server.port}")
        with pytest.raises(Unmeasured, match="'app' send CLUSTER"):
            probe.connect()
        server.command("ACL", "SETUSER", "app", "+cluster|slots")
        probe.connect()
        (seen,) = probe.seen()
        assert "not looked at" in seen.facts


def test_more_nodes_than_are_looked_at(
    three: list[RedisServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_topology, "MOST_NODES", 2)
    with pytest.raises(Unmeasured, match="has 3 primaries, more than 2"):
        RedisProbe(address(three)).connect()


def test_names_that_a_node_holds() -> None:
    numbers = iter(range(100_000))
    node = Node(parse("redis://h"), ((0, 99),))
    from redis.crc import key_slot

    assert key_slot(node.name(lambda: f"k{next(numbers)}").encode()) <= 99


def test_sentinel(tmp_path: Path) -> None:
    with (
        RedisServer(tmp_path / "primary", password="pw") as primary,
        Sentinel(tmp_path / "s", primary, password="s3cret") as sentinel,
    ):
        url = f"redis+sentinel://:pw@127.0.0.1:{sentinel.port}/mymaster/2"
        with pytest.raises(ProbeError, match="asks for a password"):
            RedisProbe(url).connect()
        probe = RedisProbe(f"{url}?sentinel_password=s3cret")
        assert "s3cret" not in repr(probe)
        whole(probe)
        (node,) = probe.nodes
        assert node.address.port == primary.port
        assert node.address.database == 2
        assert f"by the Sentinel at 127.0.0.1:{sentinel.port}" in node.address.origin
        (seen,) = probe.seen()
        assert seen.problem == ""
        assert seen.primary == f"127.0.0.1:{primary.port}"
        assert seen.facts["quorum"] == "1"


def test_sentinels_some_of_which_say_nothing(tmp_path: Path) -> None:
    with (
        RedisServer(tmp_path / "primary") as primary,
        Sentinel(tmp_path / "s", primary) as sentinel,
        tcp_server(silent) as mute,
    ):
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{mute},127.0.0.1:{sentinel.port}"
        probe = RedisProbe(f"redis+sentinel://{hosts}/mymaster", timeout=1.5)
        probe.ping()
        down, late, up = probe.seen()
        assert "no Redis listens" in down.problem
        assert "no answer within 0.5 s" in late.problem
        assert up.problem == ""
        with pytest.raises(ProbeError, match="knows no service 'other'"):
            RedisProbe(f"redis+sentinel://{hosts}/other", timeout=1.5).ping()


def test_sentinels_that_are_all_down() -> None:
    ports = free_port(), free_port()
    url = "redis+sentinel://" + ",".join(f"127.0.0.1:{port}" for port in ports) + "/mymaster"
    with pytest.raises(ProbeError, match="no Sentinel tells where Redis is") as caught:
        RedisProbe(url).connect()
    assert all(str(port) in caught.value.message for port in ports)


def test_a_primary_that_is_down(tmp_path: Path) -> None:
    with (
        RedisServer(tmp_path / "primary") as primary,
        Sentinel(tmp_path / "s", primary) as sentinel,
    ):
        probe = RedisProbe(f"redis+sentinel://127.0.0.1:{sentinel.port}/mymaster")
        primary.stop()
        with pytest.raises(ProbeError, match="no Redis listens"):
            probe.connect()
        while "down" not in probe.seen()[0].problem:
            time.sleep(0.05)


def test_a_failover_is_followed(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "one") as one:
        arguments = ("--replicaof", "127.0.0.1", str(one.port))
        with (
            RedisServer(tmp_path / "two", *arguments) as two,
            Sentinel(tmp_path / "s", one) as sentinel,
        ):
            two.until_said(b"master_link_status:up", "INFO replication")
            sentinel.server.until_said(b"slave", "SENTINEL REPLICAS mymaster")
            url = f"redis+sentinel://127.0.0.1:{sentinel.port}/mymaster"
            assert RedisProbe(url).nodes[0].address.port == one.port
            while sentinel.server.raw("SENTINEL FAILOVER mymaster") != b"+OK\r\n":
                time.sleep(0.1)
            while RedisProbe(url).nodes[0].address.port != two.port:
                time.sleep(0.05)
            assert RedisProbe(url).roundtrip().refused == {}

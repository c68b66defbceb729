"""Real Sentinels and a real cluster; what they may answer is a table in tests/unit."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.redis.probe import RedisProbe
from tests.kit import redis as servers
from tests.kit.redis import RedisServer, Sentinel, closed_port, silent, tcp_server
from tests.kit.waiting import wait_for

LITTLE = 60


def assert_whole(probe: RedisProbe) -> None:
    """Assert that every question is answered."""
    assert len(probe.connect_latency(LITTLE)) == 60
    probe.ping()
    assert probe.roundtrip().refused == {}
    taken = probe.command_latency(LITTLE)
    assert set(taken.by_command) == {"PING", "SET", "GET", "DEL"}
    assert taken.refused == {}
    assert probe.throughput(LITTLE).mix == ("SET", "GET")
    probe.slow_commands(60)
    assert len(probe.server_states()) == len(probe.nodes)


class TestCluster:
    """One cluster of three nodes, with all slots served."""

    @pytest.fixture(scope="class")
    @staticmethod
    def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
        """Start it."""
        with servers.cluster(tmp_path_factory.mktemp("cluster")) as nodes:
            yield nodes

    def test_all_its_nodes_are_measured_and_no_key_is_left(self, nodes: list[RedisServer]) -> None:
        probe = RedisProbe(f"redis+cluster://127.0.0.1:{nodes[0].port}")
        assert_whole(probe)
        assert {node.address.port for node in probe.nodes} == {node.port for node in nodes}
        ranges = [held for node in probe.nodes for held in node.slots or ()]
        assert sum(last - first + 1 for first, last in ranges) == servers.SLOTS
        assert [node.keys() for node in nodes] == [[], [], []]
        (seen,) = probe.topology_views()
        assert (seen.problem, seen.facts["slots_ok"]) == ("", "16384")

    def test_a_node_by_its_own_address_takes_the_keys_that_it_holds(
        self, nodes: list[RedisServer]
    ) -> None:
        probe = RedisProbe(nodes[1].url)
        assert_whole(probe)
        assert probe.server_states()[0].mode == "cluster"


def test_the_primary_behind_a_sentinel_with_a_password_is_measured(tmp_path: Path) -> None:
    with (
        RedisServer(tmp_path / "primary", password="pw") as primary,
        Sentinel(tmp_path / "s", primary, password="s3cret") as sentinel,
    ):
        url = f"redis+sentinel://:pw@127.0.0.1:{sentinel.port}/mymaster/2"
        with pytest.raises(CheckFailed, match="asks for a password"):
            RedisProbe(url).connect_latency()
        probe = RedisProbe(f"{url}?sentinel_password=s3cret")
        assert "s3cret" not in repr(probe)
        assert_whole(probe)
        (node,) = probe.nodes
        assert (node.address.port, node.address.database) == (primary.port, 2)
        assert f"by the Sentinel at 127.0.0.1:{sentinel.port}" in node.address.origin
        (seen,) = probe.topology_views()
        assert (seen.problem, seen.facts["quorum"]) == ("", "1")
        assert seen.primary == f"127.0.0.1:{primary.port}"


def test_sentinels_that_say_nothing_are_passed_over_until_the_primary_is_down(
    tmp_path: Path, breakable_redis: RedisServer
) -> None:
    with Sentinel(tmp_path / "s", breakable_redis) as sentinel, tcp_server(silent) as mute:
        hosts = f"127.0.0.1:{closed_port()},127.0.0.1:{mute},127.0.0.1:{sentinel.port}"
        probe = RedisProbe(f"redis+sentinel://{hosts}/mymaster", timeout=1.5)
        probe.ping()
        problems = [seen.problem for seen in probe.topology_views()]
        assert "no Redis listens" in problems[0]
        assert "no answer within 0.5 s" in problems[1]
        assert problems[2] == ""

        breakable_redis.stop()
        with pytest.raises(CheckFailed, match="no Redis listens"):
            probe.ping()
        alone = RedisProbe(f"redis+sentinel://127.0.0.1:{sentinel.port}/mymaster")
        wait_for(lambda: "down" in alone.topology_views()[0].problem)

"""Redis servers that change under way: a failover, a lost node, a Sentinel that is down."""

from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.redis.probe import RedisProbe
from tests.kit.redis import RedisServer, Sentinel, closed_port, cluster
from tests.kit.runs import PASSWORD, run_components
from tests.kit.waiting import wait_for


def test_a_failover_is_followed(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "one") as one, RedisServer(tmp_path / "two") as two:
        two.follow(one)
        with Sentinel(tmp_path / "s", one) as sentinel:
            sentinel.until_said(b"slave", "SENTINEL REPLICAS mymaster")
            url = f"redis+sentinel://127.0.0.1:{sentinel.port}/mymaster"
            assert RedisProbe(url).nodes[0].address.port == one.port
            wait_for(lambda: sentinel.raw("SENTINEL FAILOVER mymaster") == b"+OK\r\n")
            wait_for(lambda: RedisProbe(url).nodes[0].address.port == two.port)
            wait_for(lambda: two.raw("ROLE").startswith(b"*3\r\n$6\r\nmaster"))
            assert RedisProbe(url).roundtrip().refused == {}


def test_a_cluster_that_has_lost_a_node_fails_and_says_which(tmp_path: Path) -> None:
    with cluster(tmp_path / "c") as nodes:
        for node in nodes:
            node.configure(cluster_node_timeout=500)
        nodes[2].stop()
        nodes[0].until_said(b"cluster_state:fail", "CLUSTER INFO")
        nodes[1].until_said(b"cluster_state:fail", "CLUSTER INFO")
        url = ",".join(f"127.0.0.1:{node.port}" for node in nodes[:2])
        probe = RedisProbe(f"redis+cluster://{url}")
        with pytest.raises(CheckFailed, match=rf"no Redis listens at 127\.0\.0\.1:{nodes[2].port}"):
            probe.connect_latency()
        assert {seen.problem for seen in probe.topology_views()} == {"the cluster's state is fail"}


def test_a_primary_behind_sentinels_is_healthy_until_a_sentinel_is_down(tmp_path: Path) -> None:
    with (
        RedisServer(tmp_path / "primary", password=PASSWORD) as primary,
        Sentinel(tmp_path / "sentinel", primary) as sentinel,
    ):
        login, service = f"redis+sentinel://:{PASSWORD}@", f"127.0.0.1:{sentinel.port}/mymaster"
        whole = run_components(tmp_path, "redis", env={"FLOWHEALTH_REDIS_URL": login + service})
        whole.assert_healthy()
        assert whole.outcomes["redis.topology"] == "pass"
        down = f"127.0.0.1:{closed_port()}"
        url = f"{login}{down},{service}"
        run = run_components(tmp_path, "redis", env={"FLOWHEALTH_REDIS_URL": url})
        run.assert_fault("redis.topology", 1, down)

"""Redis servers that change under way: a failover, a lost node, keys that are evicted."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import redis as library

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.redis.probe import RedisProbe
from tests.kit.redis import RedisServer, Sentinel, cluster, link_up
from tests.kit.waiting import wait_for


def test_a_failover_is_followed(tmp_path: Path, redis: RedisServer) -> None:
    with RedisServer(tmp_path / "one") as one, RedisServer(tmp_path / "two") as two:
        two.command("REPLICAOF", "127.0.0.1", one.port)
        link_up(two)
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
            probe.connect()
        assert {one.problem for one in probe.seen()} == {"the cluster's state is fail"}


@pytest.mark.parametrize("load", ["command_latency", "throughput"])
def test_a_server_that_evicts_our_key_is_measured_all_the_same(
    breakable_redis: RedisServer, load: str
) -> None:
    breakable_redis.configure(maxmemory="3mb", maxmemory_policy="allkeys-random")
    probe = RedisProbe(breakable_redis.url)
    stop = threading.Event()

    def write() -> None:
        client = library.Redis(port=breakable_redis.port)
        while not stop.is_set():
            pipeline = client.pipeline(transaction=False)
            for number in range(1_000):
                pipeline.set(f"{time.monotonic()}-{number}", "x" * 2_000)
            pipeline.execute()
        client.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait_for(lambda: probe.state()[0].clients.evicted_keys)
        getattr(probe, load)()
    finally:
        stop.set()
        writer.join()
    assert probe.state()[0].memory.share is None

"""The component `redis` by the whole command on several servers, and across workers."""

from __future__ import annotations

from pathlib import Path

from tests.kit.redis import RedisServer, Sentinel, closed_port, cluster
from tests.kit.runs import PASSWORD, Run, run_components


def check(folder: Path, url: str, *args: str) -> Run:
    return run_components(folder, "redis", args=args, env={"FLOWHEALTH_REDIS_URL": url})


def test_a_primary_behind_sentinels_is_healthy_until_a_sentinel_is_down(tmp_path: Path) -> None:
    with (
        RedisServer(tmp_path / "primary", password=PASSWORD) as primary,
        Sentinel(tmp_path / "sentinel", primary) as sentinel,
    ):
        login, service = f"redis+sentinel://:{PASSWORD}@", f"127.0.0.1:{sentinel.port}/mymaster"
        whole = check(tmp_path, login + service)
        whole.assert_healthy()
        assert whole.outcomes["redis.topology"] == "pass"
        down = f"127.0.0.1:{closed_port()}"
        check(tmp_path, f"{login}{down},{service}").assert_fault("redis.topology", 1, down)


def test_a_cluster_is_healthy(tmp_path: Path) -> None:
    with cluster(tmp_path / "cluster") as nodes:
        run = check(tmp_path, f"redis+cluster://127.0.0.1:{nodes[0].port}")
    run.assert_healthy()
    assert run.outcomes["redis.topology"] == "pass"


def test_a_server_that_is_down_is_the_root_cause_across_workers(tmp_path: Path) -> None:
    run = check(tmp_path, f"redis://127.0.0.1:{closed_port()}/0", "-n", "2")
    # What needs no server to know that it does not apply may have been skipped before that.
    after = set(run.outcomes) - {"redis.connect", "redis.topology"}
    run.assert_fault("redis.connect", 2, "no Redis listens at", blocked=after)
    assert len(run.reasons) == 1

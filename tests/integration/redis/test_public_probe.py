"""The fixture `redis_probe` in a check of a user's own, as docs/writing-a-check.md shows it."""

from pathlib import Path

from tests.kit.redis import RedisServer
from tests.kit.runs import run_checks_in

EXAMPLE = """
@pytest.mark.health("cache", timeout=5, remedy="redis-server --daemonize yes")
@pytest.mark.threshold("command.p95", warn=500, fail=5_000, unit="ms")
@pytest.mark.threshold("throughput", warn=10, fail=1, unit="1/s")
def test_command(health, redis_probe):
    latency = redis_probe.command_latency(samples=1_000, seconds=60)
    health.measure("command", latency, unit="ms")
    health.measure("throughput", 1_000 * len(latency) / sum(latency), unit="1/s")
"""


def test_measures_the_targets_redis(redis: RedisServer, tmp_path: Path) -> None:
    run = run_checks_in(tmp_path, EXAMPLE, env={"REDIS_URL": redis.url})
    run.assert_healthy()
    (command, throughput) = run.check("cache.command")["measurements"]
    assert command["stats"]["count"] == 1_000
    assert throughput["value"] > 10


def test_skips_the_check_of_a_target_that_uses_no_redis(tmp_path: Path) -> None:
    run = run_checks_in(tmp_path, EXAMPLE)
    assert run.outcomes == {"cache.command": "skip"}
    assert "no Redis client" in run.check("cache.command")["message"]

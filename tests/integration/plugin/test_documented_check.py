"""The example that the documentation prints, on a real Redis."""

from pathlib import Path

from tests.kit.redis import RedisServer
from tests.kit.runs import run_pytest

EXAMPLE = """
import pytest

@pytest.mark.health("redis", requires="redis.connect", timeout=5, remedy="redis-server --daemonize yes")
@pytest.mark.threshold("command.p95", warn=5, fail=50, unit="ms")
@pytest.mark.threshold("throughput", warn=5_000, fail=1_000, unit="1/s")
def test_command(health, redis_probe):
    latency = redis_probe.command_latency(samples=1_000)
    health.measure("command", latency, unit="ms")
    health.measure("throughput", 1_000 * len(latency) / sum(latency), unit="1/s")
"""
CALM = ("--health-threshold=redis.command.p95=500:5000", "--health-threshold=redis.throughput=10:1")


def test_the_documented_check_works_as_printed(tmp_path: Path, redis: RedisServer) -> None:
    (tmp_path / "package.json").write_text('{"name": "shop", "dependencies": {"redis": "5"}}')
    (tmp_path / "test_example.py").write_text(EXAMPLE)
    words = ("--health", "test_example.py", *CALM)

    run = run_pytest(tmp_path, *words, env={"FLOWHEALTH_REDIS_URL": redis.url})
    down = run_pytest(tmp_path, *words, env={"FLOWHEALTH_REDIS_URL": "redis://127.0.0.1:1"})

    assert run.outcomes == {"redis.command": "pass"}, run.text
    command, throughput = run.check("redis.command")["measurements"]
    assert 0 < command["stats"]["count"] <= 1_000  # a busy machine takes fewer within its time
    assert throughput["value"] > 0
    assert down.exit_code in (2, 3), down.text
    assert down.check("redis.command")["remedy"]

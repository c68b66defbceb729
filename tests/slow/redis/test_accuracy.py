"""The figures of Redis beside those of independent tools, on the same server in the same run."""

import shutil
import statistics
from collections.abc import Callable

import pytest

from benchmarks.redis_latency import benchmark
from pytest_flowhealth.domain.statistics import compute
from pytest_flowhealth.probes.redis.probe import RedisProbe
from tests.kit.redis import RedisServer, proxy

pytestmark = pytest.mark.accuracy

PINGS = 500
BLOCKS = 9


def retried(measure: Callable[[], list[str]]) -> None:
    """Measure up to three times, as the machine is shared: what is wrong is so each time."""
    wrong = [measure()]
    while wrong[-1] and len(wrong) < 3:
        wrong.append(measure())
    assert wrong[-1] == [], wrong


@pytest.mark.skipif(not shutil.which("redis-benchmark"), reason="redis-benchmark is not installed")
def test_ping_takes_as_long_as_redis_benchmark_measures(redis: RedisServer) -> None:
    """Both measure in turn, so that they meet the same machine; the median of the blocks counts."""
    probe = RedisProbe(redis.url)

    def measure() -> list[str]:
        pairs: dict[str, list[tuple[float, float]]] = {"p50": [], "p95": []}
        for _ in range(BLOCKS):
            theirs = benchmark(redis.port, PINGS)
            samples = probe.command_latency(4 * PINGS, seconds=60).by_command["PING"]
            for statistic, value in zip(pairs, theirs, strict=True):
                pairs[statistic].append((1_000 * compute(statistic, samples), value))
        return [
            f"{statistic}: {ours:.0f} us, redis-benchmark {theirs:.0f} us"
            for statistic, some in pairs.items()
            for ours, theirs in [[statistics.median(side) for side in zip(*some, strict=True)]]
            if abs(ours - theirs) > max(30.0, 0.1 * theirs)
        ]

    retried(measure)


def test_a_delay_of_20_ms_is_measured_as_20_ms(redis: RedisServer) -> None:
    def measure() -> list[str]:
        with proxy(redis.port, 0.02) as port:
            samples = RedisProbe(f"redis://127.0.0.1:{port}/0").command_latency().samples
        p50 = compute("p50", samples)
        return [] if 20 <= p50 <= 21.5 else [f"{p50} ms"]

    retried(measure)

"""How our figures of Redis stand beside those of redis-benchmark and of redis-py itself.

On one server, in turn round by round: PING one at a time with one client (ours,
redis-benchmark's), and pipelines (ours, redis-py's best over several sizes). Prints
the median over the rounds of each figure and of the ratio within a round, and what
our probe shows through a proxy that adds 20 ms.

    python benchmarks/redis_latency.py [--rounds 7] [--port PORT]

Without a port it starts a redis-server of its own. Quick machines: look at the
differences in us, not at the ratios.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis

sys.path.insert(0, str(Path(__file__).parents[1]))

from pytest_flowhealth.domain.statistics import compute
from pytest_flowhealth.probes.redis.probe import RedisProbe
from tests.kit.redis import proxy

PINGS = 2_000
SIZES = (100, 1_000, 10_000)


def main() -> None:
    """Measure in turn, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        port = options.port or stack.enter_context(_server())
        probe = RedisProbe(f"redis://127.0.0.1:{port}/0")
        rounds = [_round(probe, port) for _ in range(options.rounds)]
        _print(rounds)
        with proxy(port, 0.02) as way:
            far = RedisProbe(f"redis://127.0.0.1:{way}/0").command_latency()
        _say(f"through a proxy that adds 20 ms: p50 {compute('p50', far.samples):.2f} ms")


def benchmark(port: int, pings: int = PINGS) -> tuple[float, float]:
    """Return p50 and p95 of PING by redis-benchmark with one client, in us."""
    command = ["redis-benchmark", "-p", str(port), "-c", "1", "-n", str(pings)]
    done = subprocess.run(
        [*command, "-t", "ping_mbulk", "--csv", "--precision", "3"],
        check=True,
        capture_output=True,
        text=True,
    )
    row = next(csv.DictReader(io.StringIO(done.stdout)))
    return 1_000 * float(row["p50_latency_ms"]), 1_000 * float(row["p95_latency_ms"])


def redis_py(port: int) -> float:
    """Return redis-py's best figure for the same commands in pipelines, in 1/s."""
    client = redis.Redis(port=port)
    best = 0.0
    for size in SIZES:
        pipeline = client.pipeline(transaction=False)
        for number in range(size):
            if number % 10:
                pipeline.get("flowhealth:benchmark")
            else:
                pipeline.set("flowhealth:benchmark", "x" * 32, px=10_000)
        begin = time.perf_counter()
        pipeline.execute()
        best = max(best, size / (time.perf_counter() - begin))
    client.delete("flowhealth:benchmark")
    client.close()
    return best


def _round(probe: RedisProbe, port: int) -> dict[str, float]:
    theirs = benchmark(port)
    taken = probe.command_latency(4 * PINGS, seconds=30)
    pings = [1_000 * sample for sample in taken.by_command["PING"]]
    done = probe.throughput()
    return {
        "PING p50, redis-benchmark (us)": theirs[0],
        "PING p50, ours (us)": compute("p50", pings),
        "PING p95, redis-benchmark (us)": theirs[1],
        "PING p95, ours (us)": compute("p95", pings),
        "ratio p50": compute("p50", pings) / theirs[0],
        "ratio p95": compute("p95", pings) / theirs[1],
        "difference p50 (us)": compute("p50", pings) - theirs[0],
        "difference p95 (us)": compute("p95", pings) - theirs[1],
        "client beside a command (us)": 1_000 * compute("p50", taken.client),
        "pipelines, redis-py's best (1/s)": (best := redis_py(port)),
        "pipelines, ours (1/s)": done.commands / done.seconds,
        "ratio of pipelines": done.commands / done.seconds / best,
    }


def _print(rounds: list[dict[str, float]]) -> None:
    _say(f"median of {len(rounds)} rounds (least to most)")
    for name in rounds[0]:
        values = [one[name] for one in rounds]
        median = statistics.median(values)
        _say(f"  {name:34}{median:12,.2f}  ({min(values):,.2f} to {max(values):,.2f})")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


@contextlib.contextmanager
def _server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            ["redis-server", "--port", str(port), "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        try:
            while _refused(port):
                time.sleep(0.02)
            yield port
        finally:
            process.terminate()
            process.wait()


def _refused(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


if __name__ == "__main__":
    main()

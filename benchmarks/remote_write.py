"""Ten thousand simulated hosts that each end a round within one minute, written into a VictoriaMetrics.

The figures of the rounds come from a seeded generator: what is measured is the way into the server,
through the plugin's own code (encoding, queue on disk, sending), and that nothing is lost on it.

    python benchmarks/remote_write.py [--hosts 10000] [--writers 2]

Needs `victoria-metrics` on the PATH, and `pip install 'pytest-flowhealth[fleet]'`.
"""

from __future__ import annotations

import argparse
import datetime
import multiprocessing
import os
import random
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import requests

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.measurements import Measurement, make_series
from pytest_flowhealth.domain.metric_names import iterate_samples, make_origin_labels
from pytest_flowhealth.domain.report import HostInfo, Report, Summary, TargetInfo
from pytest_flowhealth.domain.root_causes import Component
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.history.remote.write_client import RemoteWriteClient

COMPONENTS = {
    "redis": 13,
    "system": 7,
    "package": 6,
    "dependencies": 4,
    "build": 3,
    "configuration": 1,
}
"""The quick components, and how many checks each has: what a run without options looks at."""

CHECKS = [
    (f"{one}.check{number}", one) for one, count in COMPONENTS.items() for number in range(count)
]
ROUNDS = 200
"""Different rounds that each writer has; hosts take them in turn."""

SERIES = {"redis.check0", "redis.check1", "redis.check2", "redis.check3"}
"""The checks that measure a series; every second of the others measures one figure."""


def main() -> None:
    """Write the rounds, count them, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--writers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    program = shutil.which("victoria-metrics")
    if program is None:
        sys.exit("victoria-metrics is not on the PATH: apt install victoria-metrics")
    with tempfile.TemporaryDirectory() as folder:
        url, server = _server(program, Path(folder) / "vm")
        try:
            _run(url, server, options, Path(folder))
        finally:
            server.terminate()
            server.wait()


def _run(
    url: str, server: subprocess.Popen[bytes], options: argparse.Namespace, folder: Path
) -> None:
    parts = [range(one, options.hosts, options.writers) for one in range(options.writers)]
    with multiprocessing.Pool(options.writers) as pool:
        done = pool.starmap(_write, [(url, part, folder / str(n)) for n, part in enumerate(parts)])
    seconds = max(one[3] for one in done) - min(one[2] for one in done)
    samples = sum(one[0] for one in done)
    processor = sum(one[1] for one in done)
    memory = psutil.Process(server.pid).memory_info().rss / 2**20
    used = sum(psutil.Process(server.pid).cpu_times()[:2])
    requests.get(f"{url}/internal/force_flush", timeout=30)
    time.sleep(5)  # the server's index tells of new series a moment later
    hosts = _asked(url, "count(last_over_time(flowhealth_status[1h]))")
    checks = _asked(url, "count(last_over_time(flowhealth_check_status[1h]))")
    every = _asked(url, 'sum(count_over_time({__name__=~"flowhealth_.*"}[1h]))')
    size = sum(path.stat().st_size for path in (folder / "vm").rglob("*") if path.is_file())
    write = sys.stdout.write
    write(f"{options.hosts} hosts' rounds, {samples:,} samples, in {seconds:.1f} s ")
    write(f"({samples / seconds:,.0f} samples/s, {options.writers} writers)\n")
    write(f"in the server: {hosts:.0f} hosts, {checks:.0f} checks, {every:,.0f} samples; ")
    write(f"lost: {samples - every:.0f}\n")
    write(f"processor: writers {processor:.1f} s, server {used:.1f} s; ")
    write(f"server: {memory:.0f} MiB of memory, {size / 2**20:.0f} MiB on disk\n")


def _write(url: str, hosts: range, folder: Path) -> tuple[int, float, float, float]:
    chance = random.Random(hosts.start)
    made = [_round(chance) for _ in range(ROUNDS)]  # not part of what is measured
    before, begin = _used(), time.monotonic()
    shipper = RemoteWriteClient(url, folder)
    count = 0
    for host in hosts:
        samples = [
            *iterate_samples(
                made[host % ROUNDS], make_origin_labels(f"host-{host:05}", "simulated")
            )
        ]
        count += len(samples)
        shipper.put(samples)
        while shipper.waiting > 200:
            time.sleep(0.005)
    if not shipper.close(300):
        sys.exit(f"not everything was taken: {shipper.problem}")
    return count, _used() - before, begin, time.monotonic()


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _round(chance: random.Random) -> Report:
    outcomes = [Outcome.PASS] * 9 + [Outcome.WARN]
    checks = tuple(
        CheckResult(
            id=name,
            nodeid=name,
            component=component,
            outcome=chance.choice(outcomes),
            critical=True,
            duration=0.1,
            message="",
            remedy=None,
            blocked_by=None,
            attempts=1,
            measurements=_measured(chance, name),
            thresholds=(),
            details={},
        )
        for name, component in CHECKS
    )
    components = {
        component: Component(
            Status.HEALTHY, tuple(one.id for one in checks if one.component == component)
        )
        for component in dict.fromkeys(one for _, one in CHECKS)
    }
    return Report(
        status=Status.HEALTHY,
        exit_code=0,
        reasons=(),
        started=datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1),
        duration=1.0,
        target=TargetInfo("simulated", "1.0.0", "simulated"),
        host=HostInfo("simulated", "Linux", "6", "x86_64", "3.11", 2),
        summary=Summary(),
        components=components,
        checks=checks,
    )


def _measured(chance: random.Random, name: str) -> tuple[Measurement, ...]:
    figure = name.rpartition(".")[2]
    if name in SERIES:
        values = [chance.lognormvariate(0, 1) for _ in range(100)]
        return (make_series(figure, values, "ms").measurement,)
    return (make_series(figure, chance.random(), "%").measurement,) if int(name[-1]) % 2 else ()


def _server(program: str, folder: Path) -> tuple[str, subprocess.Popen[bytes]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            *(program, f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={folder}"),
            *(
                "-retentionPeriod=1",
                "-search.latencyOffset=0s",
                "-search.maxUniqueTimeseries=20000000",
            ),
            *("-search.maxQueryDuration=120s", "-search.maxSamplesPerQuery=100000000000"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            if requests.get(f"{url}/health", timeout=1).ok:
                return url, server
        except requests.RequestException:
            time.sleep(0.1)


def _asked(url: str, query: str) -> float:
    answer = requests.get(f"{url}/api/v1/query", params={"query": query}, timeout=180).json()
    return float(answer["data"]["result"][0]["value"][1])


if __name__ == "__main__":
    main()

"""What a run costs, against the commands that it replaces: npm --version, audit, outdated, a PING.

A run, a round of the monitor and the commands are made in turn, several times, on the demo's
application and on a project of 1,470 packages (react-scripts 5, next 15, @nestjs/cli 11) that npm
installs first. Printed are the median wall time and CPU time (user and system, all processes), the
median of the ratios to the commands, and after how long the first line of output came.

    python benchmarks/run.py [--rounds 5] [--project demo]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import pty
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_flowhealth.monitor.round_process import RoundProcess
from pytest_flowhealth.monitor.round_request import RoundRequest

DEMO = Path(__file__).parents[1] / "examples" / "app"
LARGE = (
    '{"name": "large", "version": "1.0.0", "private": true, "dependencies": '
    '{"react-scripts": "^5.0.1", "next": "^15", "@nestjs/cli": "^11", "redis": "^5"}}'
)
PING = (
    "const c = require('redis').createClient({url: process.env.REDIS_URL}); "
    "c.connect().then(() => c.ping()).then(() => c.quit())"
)
REPLACED = (
    ["npm", "--version"],
    ["npm", "audit", "--json"],
    ["npm", "outdated", "--json"],
    ["node", "-e", PING],
)


def main() -> None:
    """Measure both projects and print a table for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--project", choices=("demo", "large"), action="append")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, redis_server(Path(name)) as url:
        for project in options.project or ("demo", "large"):
            folder = install(Path(name) / project, project)
            measure(project, folder, options.rounds, {**os.environ, "REDIS_URL": url})


def install(folder: Path, project: str) -> Path:
    """Make a project and install its packages."""
    if project == "demo":
        shutil.copytree(DEMO, folder, ignore=shutil.ignore_patterns("node_modules", ".flowhealth"))
    else:
        folder.mkdir()
        (folder / "package.json").write_text(LARGE)
    command = ["npm", "install", "--no-audit", "--no-fund", "--legacy-peer-deps"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Run a Redis on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        time.sleep(1)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def measure(project: str, folder: Path, rounds: int, environment: dict[str, str]) -> None:
    """Run all in turn and print what they took."""
    pytest = [str(Path(sys.executable).with_name("pytest")), "--health", "-p", "no:cacheprovider"]
    os.environ.update(environment)  # for the monitor's round
    turns = [
        (
            take([pytest], folder, environment),
            take_round(folder),
            take(REPLACED, folder, environment),
        )
        for _ in range(rounds + 1)
    ]
    del turns[0]  # fills npm's cache and compiles byte code
    write = sys.stdout.write
    for place, name in enumerate(("run", "monitor's round")):
        pairs = [(turn[place], turn[2]) for turn in turns]
        ours, theirs = zip(*pairs, strict=True)
        write(
            f"{project}, {rounds} rounds: median s of the {name}, of the replaced commands, ratio\n"
        )
        for number, figure in enumerate(("wall time", "CPU time")):
            ratio = statistics.median(a[number] / b[number] for a, b in pairs)
            times = [statistics.median(each[number] for each in side) for side in (ours, theirs)]
            write(f"  {figure:10} {times[0]:6.2f} {times[1]:6.2f} {ratio:6.2f}\n")
        what = "first line" if not place else "first frame"
        write(f"  {what:11}{statistics.median(each[2] for each in ours):6.2f}\n")
    sys.stdout.flush()


def take_round(folder: Path) -> tuple[float, float, float]:
    """Make one of the monitor's rounds; return wall and CPU seconds, and those to the first frame."""
    before, start, frames = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), []
    process = RoundProcess(
        ["--health"],
        folder,
        RoundRequest(0),
        300,
        lambda _: frames.append(time.perf_counter() - start),
    )
    result = asyncio.run(process.run())
    if result.ended is None:
        raise SystemExit("; ".join(result.problems))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, cpu, frames[0]


def take(
    commands: Sequence[Sequence[str]], folder: Path, environment: dict[str, str]
) -> tuple[float, float, float]:
    """Run commands one after another; return wall and CPU seconds, and those to the first line."""
    before, start, first = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0.0
    for command in commands:
        reader, terminal = pty.openpty()  # a pipe would be written to in blocks
        with subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=subprocess.DEVNULL,
        ), os.fdopen(reader, "rb", buffering=0) as output:  # fmt: skip
            os.close(terminal)
            with contextlib.suppress(OSError):  # the end, of a terminal
                while chunk := output.read(65_536):
                    first = first or (b"\n" in chunk and time.perf_counter() - start)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, cpu, first


if __name__ == "__main__":
    main()

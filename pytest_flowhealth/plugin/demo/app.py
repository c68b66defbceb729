"""The demo's application under way: its server and its agents, for the components that look at them."""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.plugin.demo.interruption import hold_signals
from pytest_flowhealth.probes.process_groups import signal_group
from pytest_flowhealth.probes.program_errors import find_cause

_START_SECONDS = 20.0
_END_SECONDS = 3.0


class Program(msgspec.Struct, frozen=True):
    """A program of the application: its command, and the line that tells it is ready."""

    name: str
    argv: tuple[str, ...]
    ready: str


SERVER = Program("server", ("node", "dist/index.js"), r"listening on (http://\S+/)")
AGENTS = Program("agents", ("node", "agents/pool.js", "3", "20"), r"3 agents")


def choose_programs(options: argparse.Namespace) -> list[Program]:
    """Return the programs that the components which are asked for look at."""
    asked = set(options.health_component)
    programs = {"dashboard": SERVER, "fleet": AGENTS}
    return [program for name, program in programs.items() if options.health_all or name in asked]


@contextlib.contextmanager
def running_app(
    programs: list[Program], app: Path, environment: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """Start `programs` in the folder `app` and yield what the checks' environment gets of them.

    Raises:
        CheckFailed: One can't be started, or is not ready in time.
    """
    addresses: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        for program in programs:
            log = app.parent / f"{program.name}.log"
            with hold_signals():
                process = _launch(program, app, log, {**environment, "PORT": "0"})
                stack.callback(_end, process)
            match = _ready(program, process, log)
            if program is SERVER:
                addresses["FLOWHEALTH_DASHBOARD_URL"] = match[1]
                addresses["FLOWHEALTH_DASHBOARD_WEBSOCKET"] = f"ws{match[1].removeprefix('http')}ws"
        yield addresses


def _launch(
    program: Program, app: Path, log: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    try:
        with log.open("wb") as file:
            return subprocess.Popen(  # noqa: S603  # no shell; the commands are those above
                program.argv,
                cwd=app,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,  # Ctrl-C is ours to handle: it is ended after the checks
            )
    except OSError as error:
        raise CheckFailed(f"`{program.argv[0]}` can't be started: {error.strerror}") from None


def _ready(program: Program, process: subprocess.Popen[bytes], log: Path) -> re.Match[str]:
    end = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        match = re.search(program.ready, log.read_text("utf-8", "replace"))
        if match:
            return match
        time.sleep(0.05)
    cause = find_cause(log.read_text("utf-8", "replace"), process.returncode)
    raise CheckFailed(f"the demo's {program.name} did not get ready: {cause}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program with all that it started."""
    with hold_signals():
        for number in (signal.SIGTERM, signal.SIGKILL):
            signal_group(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)

"""Runs a program with a limit on its time and its output, and ends it with all its children."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.process_groups import signal_group

MAX_OUTPUT = 32 * 2**20
"""Bytes of each output that are kept at the most; what comes after is read and dropped."""

_CHUNK = 2**16
_LINGER = 0.5

_running: set[subprocess.Popen[bytes]] = set()
_lock = threading.Lock()


class Completed(msgspec.Struct, frozen=True):
    """A program that ended: `seconds` from its start, outputs as UTF-8 with errors replaced."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    max_output: int = MAX_OUTPUT,
) -> Completed:
    """Run `argv`, without a shell, in a session of its own; return how it ended.

    `timeout` is in seconds; `stdin` is what it reads, nothing by default; `env`
    replaces the environment. When it ends, what it left running in its session
    is ended too.

    Raises:
        CheckFailed: There is no such program, or it can't be started.
        MeasurementUnavailable: It did not end in time; it was killed with its children.
    """
    started = time.monotonic()
    process = _start(argv, cwd, env, stdin)
    try:
        outputs = _communicate(process, stdin, started + timeout, max_output)
    finally:
        _end(process)
    if outputs is None:
        raise MeasurementUnavailable(
            f"`{' '.join(argv[:3])}` gave no answer within {format_number(timeout)} s"
        )
    return Completed(
        argv=tuple(argv),
        returncode=process.returncode,
        stdout=outputs[0].decode("utf-8", "replace"),
        stderr=outputs[1].decode("utf-8", "replace"),
        seconds=time.monotonic() - started,
    )


def end_all() -> None:
    """End every program that still runs, with its children."""
    with _lock:
        processes = list(_running)
    for process in processes:
        signal_group(process.pid)


def _start(
    argv: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None, stdin: bytes | None
) -> subprocess.Popen[bytes]:
    try:
        with _lock:  # before `end_all` looks, a program that runs is known
            process = subprocess.Popen(  # noqa: S603  # no shell, and the program is named by our own code
                list(argv),
                cwd=cwd,
                env=None if env is None else dict(env),
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            _running.add(process)
    except FileNotFoundError:
        if cwd is not None and not cwd.is_dir():
            raise CheckFailed(f"there is no folder {cwd}") from None
        raise CheckFailed(f"there is no `{argv[0]}` on the PATH") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckFailed(f"`{argv[0]}` can't be started: {reason}") from None
    return process


def _communicate(
    process: subprocess.Popen[bytes], stdin: bytes | None, deadline: float, max_output: int
) -> tuple[bytes, bytes] | None:
    """Return both outputs, or None where the time was up before the program ended.

    `Popen.communicate` would wait for the pipes' end, which a grandchild that
    outlives the program keeps away.
    """
    if stdin is not None:
        threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True).start()
    outputs: dict[Any, bytearray] = {process.stdout: bytearray(), process.stderr: bytearray()}
    with selectors.DefaultSelector() as selector:
        for pipe in outputs:
            selector.register(pipe, selectors.EVENT_READ)
        ended: float | None = None
        while selector.get_map():
            now = time.monotonic()
            if ended is None and process.poll() is not None:
                ended = now
            if now >= deadline or (ended is not None and now - ended > _LINGER):
                break
            for key, _ in selector.select(min(0.05, max(deadline - now, 0.0))):
                _read(selector, key.fileobj, outputs, max_output)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(deadline - time.monotonic(), 0.0))
    if process.returncode is None:
        return None
    return bytes(outputs[process.stdout]), bytes(outputs[process.stderr])


def _read(
    selector: selectors.BaseSelector, pipe: Any, outputs: dict[Any, bytearray], most: int
) -> None:
    chunk = os.read(pipe.fileno(), _CHUNK)
    if not chunk:
        selector.unregister(pipe)
    room = most - len(outputs[pipe])
    outputs[pipe] += chunk[: max(room, 0)]


def _feed(pipe: IO[bytes] | None, content: bytes) -> None:
    with contextlib.suppress(OSError, ValueError):
        if pipe is not None:
            pipe.write(content)
            pipe.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    signal_group(process.pid)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()
    with _lock:
        _running.discard(process)

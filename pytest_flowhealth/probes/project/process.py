"""The Node process that answers questions about a project (agent/agent.mjs), seen from Python."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any

from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes.process_groups import signal_group
from pytest_flowhealth.probes.program_errors import find_cause

AGENT = Path(__file__).with_name("agent") / "agent.mjs"

_GRACE = 3.0
"""Seconds that the process has after a question's time limit, before it counts as hung."""

_READY = b'{"ready":true}'
"""The line before which the output is not the agent's: NODE_OPTIONS may load what prints."""

_Pending = dict[int, tuple[Future[Any], float]]
"""The futures without an answer, by the question's number, with the time at which each is late."""


class AgentProcess:
    """One Node process; it is started with the first question, and again if it has ended.

    Args:
        folder: The project, and the folder that the process runs in.
        agent: The script; another one in tests.
        environment: Replaces the environment of this process.
    """

    def __init__(
        self, folder: Path, agent: Path = AGENT, environment: Mapping[str, str] | None = None
    ) -> None:
        self._environment = None if environment is None else dict(environment)
        self._folder = folder
        self._agent = agent
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pending: _Pending = {}
        self._number = 0

    def ask(self, question: str, *, seconds: float, **arguments: object) -> Future[Any]:
        """Send a question; the future has the answer as JSON decodes it.

        The future raises CheckFailed or MeasurementUnavailable, as the agent answers, and
        MeasurementUnavailable if the process crashes, hangs or writes something unreadable.
        """
        future: Future[Any] = Future()
        with self._lock:
            try:
                process = self._start()
                self._number += 1
                request = {
                    "id": self._number,
                    "question": question,
                    "seconds": seconds,
                    **arguments,
                }
                self._pending[self._number] = (future, time.monotonic() + seconds + _GRACE)
                assert process.stdin is not None  # noqa: S101  # a pipe was asked for
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
            except FlowHealthError as error:
                future.set_exception(error)
            except (OSError, ValueError):
                pass  # it has just ended: the reader answers what is pending
        return future

    def close(self) -> None:
        """End the process with its children."""
        with self._lock:
            process = self._process
            self._process = None
        if process is not None:
            signal_group(process.pid)
            process.wait()
            _close_input(process)

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._pending = {}  # what the last process still owes, its reader answers
        errors = tempfile.TemporaryFile()  # noqa: SIM115  # the reader closes it
        try:
            self._process = subprocess.Popen(  # noqa: S603  # no shell, and our own script
                ["node", "--no-warnings", str(self._agent)],  # noqa: S607  # the project's own node
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        except FileNotFoundError:
            errors.close()
            if not self._folder.is_dir():
                raise CheckFailed(f"there is no folder {self._folder}") from None
            raise CheckFailed("there is no `node` on the PATH", remedy="install Node") from None
        except OSError as error:
            errors.close()
            raise CheckFailed(f"`node` can't be started: {error.strerror}") from None
        threading.Thread(
            target=self._read,
            args=(self._process, self._pending, errors),
            name="flowhealth project",
            daemon=True,
        ).start()
        return self._process

    def _read(self, process: subprocess.Popen[bytes], pending: _Pending, errors: IO[bytes]) -> None:
        """Resolve futures until the process ends, or must be ended."""
        why = _resolve_answers(process, pending)
        if not why:
            # The output has ended, and with it, in a moment, the process.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
        signal_group(process.pid)
        process.wait()
        _close_input(process)
        output = _tail(errors)
        why = why or find_cause(output, process.returncode)
        with self._lock:
            unanswered = list(pending.values())
            if self._process is process:
                self._process = None
        for future, _ in unanswered:
            future.set_exception(
                MeasurementUnavailable(f"the Node process that reads the project ended: {why}")
            )


def _resolve_answers(process: subprocess.Popen[bytes], pending: _Pending) -> str:
    """Resolve futures to the end of the output, or return why that can't be waited for."""
    pipe = process.stdout
    assert pipe is not None  # noqa: S101  # it was asked for
    buffer, why, is_ready = b"", "", False
    with pipe, selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while not why:
            if selector.select(0.2):
                chunk = os.read(pipe.fileno(), 1 << 16)
                if not chunk:
                    break
                *lines, buffer = (buffer + chunk).split(b"\n")
                if not is_ready and _READY in lines:
                    lines = lines[lines.index(_READY) + 1 :]
                    is_ready = True
                if is_ready:
                    why = "".join(_resolve(pending, line) for line in lines)
            elif _is_late(pending):
                why = "it gave no answer in time"
    return why


def _resolve(pending: _Pending, line: bytes) -> str:
    """Resolve the future of an answer; return what is wrong with a line that is none."""
    try:
        message = json.loads(line)
        future, _ = pending[message["id"]]
        error = message.get("error")
        if error is None:
            future.set_result(message["answer"])
        else:
            kind = CheckFailed if error["kind"] == "failed" else MeasurementUnavailable
            future.set_exception(kind(error["message"], remedy=error["remedy"]))
        del pending[message["id"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"it wrote a line that is no answer: {line[:80]!r}"
    return ""


def _is_late(pending: _Pending) -> bool:
    now = time.monotonic()
    return any(deadline < now for _, deadline in list(pending.values()))


def _tail(file: IO[bytes]) -> str:
    with file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 4_000))
        return file.read().decode("utf-8", "replace")


def _close_input(process: subprocess.Popen[bytes]) -> None:
    """Close the pipe to a process that has ended, and that may not have read all of it."""
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()

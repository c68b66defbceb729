"""Run one round: a fresh pytest in a child process, its frames, and how it ended."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from pytest_flowhealth.domain.text import format_number, one_line
from pytest_flowhealth.monitor.protocol import (
    MARK,
    VARIABLE,
    Frame,
    FrameDecoder,
    RoundFinished,
    RoundRequest,
)
from pytest_flowhealth.probes.descendants import Descendants

_CHUNK = 2**16
_TAIL = 8_192


def _use_own_cache(history: str | None) -> list[str]:
    """Return the options that give a round a cache of its own, which is empty.

    The project's settings may hold options of pytest's cache (--ff, --lf, --sw): they must be known, and
    what failed before must not decide which checks run.
    """
    if history is None:
        return ["-p", "no:cacheprovider"]
    folder = Path(history).parent / "pytest-cache"
    shutil.rmtree(folder, ignore_errors=True)
    return ["-o", f"cache_dir={folder}", "-W", "ignore::pytest.PytestCacheWarning"]


class RoundResult(msgspec.Struct, frozen=True):
    """How a round ended.

    Attributes:
        ended: Its last frame, with the verdict; None if it sent none.
        problems: What was wrong with the round itself.
        seconds: How long it took.
        tail: The last that it wrote, where something was wrong.
    """

    ended: RoundFinished | None
    problems: tuple[str, ...]
    seconds: float
    tail: str = ""


class RoundProcess:
    """The pytest process of one round.

    Args:
        words: The arguments of its pytest.
        folder: Where it runs.
        request: What it receives, without the pipe's number.
        now: The time, by the monitor's clock; `limit` the seconds that it may take.

    Raises:
        OSError: It can't be started.
    """

    def __init__(
        self, words: Sequence[str], folder: Path, request: RoundRequest, now: float, limit: float
    ) -> None:
        self.begun = now
        self.request = request
        self._limit = limit
        self._word = secrets.token_hex(8)
        self._decoder = FrameDecoder()
        self._ended: RoundFinished | None = None
        self._broken: str | None = None
        self._killer: threading.Thread | None = None
        self._tail: deque[bytes] = deque()
        self.has_output = True
        """Whether there may be more to read: its pipes can be waited for."""
        frames, theirs = os.pipe()
        output, their_output = os.pipe()
        try:
            self._process = self._start(words, folder, request, (theirs, their_output))
        except BaseException:
            os.close(frames)
            os.close(output)
            raise
        finally:
            os.close(theirs)
            os.close(their_output)
        self.pipes = (frames, output)
        for pipe in self.pipes:
            os.set_blocking(pipe, False)

    def _start(
        self, words: Sequence[str], folder: Path, request: RoundRequest, pipes: tuple[int, int]
    ) -> subprocess.Popen[bytes]:
        encoded = msgspec.json.encode(msgspec.structs.replace(request, pipe=pipes[0])).decode()
        environment = {**os.environ, VARIABLE: encoded, MARK: self._word}
        return subprocess.Popen(  # noqa: S603  # this interpreter, with the user's arguments
            [sys.executable, "-m", "pytest", *_use_own_cache(request.history), *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=pipes[1],
            stderr=subprocess.STDOUT,
            pass_fds=pipes[:1],
            start_new_session=True,
        )

    def read(self) -> Iterator[Frame]:
        """Yield the frames since the last call."""
        for chunk in self._chunks(self.pipes[1]):
            self._tail.append(chunk)
            while sum(map(len, self._tail)) > _TAIL + _CHUNK:
                self._tail.popleft()
        for chunk in self._chunks(self.pipes[0]):
            if self._broken is not None:
                continue
            try:
                for frame in self._decoder.feed(chunk):
                    if isinstance(frame, RoundFinished):
                        self._ended = frame
                    yield frame
            except ValueError as error:
                self._broken = str(error)

    def poll(self, now: float) -> RoundResult | None:
        """Return how it ended; None while it runs. A round that exceeds its limit is terminated."""
        if self._killer is not None:
            return None if self._killer.is_alive() else self._finish(now, overlong=True)
        if self._process.poll() is not None:
            return self._finish(now, overlong=False)
        if now - self.begun > self._limit:
            self.terminate()
        return None

    def terminate(self) -> None:
        """Start to terminate it with all processes that it started."""
        if self._killer is None:
            self._killer = threading.Thread(target=self._kill, daemon=True)
            self._killer.start()

    def join(self, seconds: float) -> None:
        """Wait until it has been ended; what is left then is killed."""
        if self._killer is not None:
            self._killer.join(seconds)
        self._kill_group()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._close()

    def _kill(self) -> None:
        Descendants(self._process.pid, self._word, MARK).end()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _finish(self, now: float, *, overlong: bool) -> RoundResult:
        for _ in self.read():
            pass
        self._kill_group()  # what it left running
        code = self._process.wait()
        problems = self._find_problems(code, overlong=overlong)
        self._close()
        tail = b"".join(self._tail)[-_TAIL:].decode(errors="replace") if problems else ""
        return RoundResult(self._ended, tuple(problems), now - self.begun, tail)

    def _find_problems(self, code: int, *, overlong: bool) -> list[str]:
        if overlong:
            return [
                f"the round took longer than its limit of {format_number(self._limit)} s and was ended"
            ]
        if self._broken is not None:
            return [self._broken]
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        if self._ended is None:
            last = one_line(b"".join(self._tail)[-400:].decode(errors="replace").strip())
            return [f"the round ended with {how} and told no verdict{f': {last}' if last else ''}"]
        if code != self._ended.exit_code:
            return [
                f"the round ended with {how} after a verdict of exit code {self._ended.exit_code}",
                *self._ended.problems,
            ]
        return list(self._ended.problems)

    def _chunks(self, pipe: int) -> Iterator[bytes]:
        """Yield what is in a pipe now."""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(pipe, _CHUNK):
                yield chunk
            self.has_output = False

    def _close(self) -> None:
        for pipe in self.pipes:
            with contextlib.suppress(OSError):
                os.close(pipe)

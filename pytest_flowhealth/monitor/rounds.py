"""One round: a fresh pytest in a child process, what it tells, and how it ended."""

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
from pytest_flowhealth.monitor.frames import MARK, VARIABLE, Ended, Frame, Order, Unpacker
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


class Result(msgspec.Struct, frozen=True):
    """How a round ended.

    Attributes:
        ended: What it told of its verdict; None where it told none.
        problems: What was wrong with the round itself.
        seconds: How long it took.
        tail: The last that it wrote, where something was wrong.
    """

    ended: Ended | None
    problems: tuple[str, ...]
    seconds: float
    tail: str = ""


class Round:
    """A round under way.

    Args:
        words: What its pytest is given.
        folder: Where it runs.
        order: What it is told, without the pipe's number.
        now: The time, by the monitor's clock; `limit` the seconds that it may take.

    Raises:
        OSError: It can't be started.
    """

    def __init__(
        self, words: Sequence[str], folder: Path, order: Order, now: float, limit: float
    ) -> None:
        self.begun = now
        self.asked = order
        self._limit = limit
        self._word = secrets.token_hex(8)
        self._said = Unpacker()
        self._ended: Ended | None = None
        self._broken: str | None = None
        self._overlong: threading.Thread | None = None
        self._tail: deque[bytes] = deque()
        self.talks = True
        """Whether there may be more to read: its pipes can be waited for."""
        frames, theirs = os.pipe()
        output, their_output = os.pipe()
        try:
            self._process = self._start(words, folder, order, (theirs, their_output))
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
        self, words: Sequence[str], folder: Path, order: Order, pipes: tuple[int, int]
    ) -> subprocess.Popen[bytes]:
        request = msgspec.json.encode(msgspec.structs.replace(order, pipe=pipes[0])).decode()
        environment = {**os.environ, VARIABLE: request, MARK: self._word}
        return subprocess.Popen(  # noqa: S603  # this interpreter, with the user's arguments
            [sys.executable, "-m", "pytest", *_use_own_cache(order.history), *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=pipes[1],
            stderr=subprocess.STDOUT,
            pass_fds=pipes[:1],
            start_new_session=True,
        )

    def read(self) -> Iterator[Frame]:
        """Yield what it has told since the last time."""
        for chunk in self._chunks(self.pipes[1]):
            self._tail.append(chunk)
            while sum(map(len, self._tail)) > _TAIL + _CHUNK:
                self._tail.popleft()
        for chunk in self._chunks(self.pipes[0]):
            if self._broken is not None:
                continue
            try:
                for frame in self._said.feed(chunk):
                    if isinstance(frame, Ended):
                        self._ended = frame
                    yield frame
            except ValueError as error:
                self._broken = str(error)

    def over(self, now: float) -> Result | None:
        """Return how it ended, None while it runs; one that takes too long is being ended."""
        if self._overlong is not None:
            return None if self._overlong.is_alive() else self._closed(now, overlong=True)
        if self._process.poll() is not None:
            return self._closed(now, overlong=False)
        if now - self.begun > self._limit:
            self.end()
        return None

    def end(self) -> None:
        """Begin to end it, with all that it started."""
        if self._overlong is None:
            self._overlong = threading.Thread(target=self._kill, daemon=True)
            self._overlong.start()

    def join(self, seconds: float) -> None:
        """Wait until it has been ended; what is left then is killed."""
        if self._overlong is not None:
            self._overlong.join(seconds)
        self._kill_group()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._close()

    def _kill(self) -> None:
        Descendants(self._process.pid, self._word, MARK).end()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _closed(self, now: float, *, overlong: bool) -> Result:
        for _ in self.read():
            pass
        self._kill_group()  # what it left running
        code = self._process.wait()
        problems = self._problems(code, overlong=overlong)
        self._close()
        tail = b"".join(self._tail)[-_TAIL:].decode(errors="replace") if problems else ""
        return Result(self._ended, tuple(problems), now - self.begun, tail)

    def _problems(self, code: int, *, overlong: bool) -> list[str]:
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
            self.talks = False

    def _close(self) -> None:
        for pipe in self.pipes:
            with contextlib.suppress(OSError):
                os.close(pipe)

"""Run one round: a fresh pytest in a child process, its frames, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from pytest_flowhealth.alerts.daemon_threads import run_in_thread
from pytest_flowhealth.domain.text import format_number, one_line
from pytest_flowhealth.monitor.protocol import Frame, FrameDecoder, RoundFinished
from pytest_flowhealth.monitor.round_request import MARK, VARIABLE, RoundRequest
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
        limit: The seconds that it may take.
        handle: Called with each frame.
    """

    def __init__(
        self,
        words: Sequence[str],
        folder: Path,
        request: RoundRequest,
        limit: float,
        handle: Callable[[Frame], None],
    ) -> None:
        self._words, self._folder, self._request = words, folder, request
        self._limit, self._handle = limit, handle
        self._mark = secrets.token_hex(8)
        self._decoder = FrameDecoder()
        self._ended: RoundFinished | None = None
        self._broken: str | None = None
        self._tail = b""

    async def run(self) -> RoundResult:
        """Run it to its end; cancelled, or past its limit, it is terminated with all that it started.

        Raises:
            OSError: It can't be started.
        """
        loop, begun = asyncio.get_running_loop(), time.monotonic()
        with _Pipe(self._read_frames) as frames, _Pipe(self._read_output) as output:
            process = await self._start(frames.end, output.end)
            for pipe in (frames, output):
                pipe.listen(loop)
            overlong = False
            try:
                async with asyncio.timeout(self._limit):
                    await process.wait()
            except TimeoutError:
                overlong = True
            finally:
                try:
                    if process.returncode is None:
                        descendants = Descendants(process.pid, self._mark, MARK)
                        await run_in_thread(descendants.end)
                finally:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(process.pid, signal.SIGKILL)  # what it left running
            code = await process.wait()
            for pipe in (frames, output):
                pipe.drain()
        problems = self._find_problems(code, overlong=overlong)
        tail = self._tail[-_TAIL:].decode(errors="replace") if problems else ""
        return RoundResult(self._ended, tuple(problems), time.monotonic() - begun, tail)

    async def _start(self, frames: int, output: int) -> asyncio.subprocess.Process:
        request = msgspec.structs.replace(self._request, pipe=frames)
        encoded = msgspec.json.encode(request).decode()
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pytest"),
            *(*_use_own_cache(request.history), *self._words),
            cwd=self._folder,
            env={**os.environ, VARIABLE: encoded, MARK: self._mark},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(frames,),
            start_new_session=True,
        )

    def _read_output(self, chunk: bytes) -> None:
        self._tail = (self._tail + chunk)[-_TAIL:]

    def _read_frames(self, chunk: bytes) -> None:
        if self._broken is not None:
            return
        try:
            for frame in self._decoder.feed(chunk):
                if isinstance(frame, RoundFinished):
                    self._ended = frame
                self._handle(frame)
        except ValueError as error:
            self._broken = str(error)

    def _find_problems(self, code: int, *, overlong: bool) -> list[str]:
        if overlong:
            return [
                f"the round took longer than its limit of {format_number(self._limit)} s and was ended"
            ]
        if self._broken is not None:
            return [self._broken]
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        if self._ended is None:
            last = one_line(self._tail[-400:].decode(errors="replace").strip())
            return [f"the round ended with {how} and told no verdict{f': {last}' if last else ''}"]
        if code != self._ended.exit_code:
            return [
                f"the round ended with {how} after a verdict of exit code {self._ended.exit_code}",
                *self._ended.problems,
            ]
        return list(self._ended.problems)


class _Pipe:
    """A pipe to another process; what comes is handed on. A process that lives on may hold its `end`.

    asyncio's own streams would wait for its end.
    """

    def __init__(self, handle: Callable[[bytes], None]) -> None:
        self._handle = handle
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begin, self.end = os.pipe()
        os.set_blocking(self._begin, False)

    def __enter__(self) -> _Pipe:
        return self

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand on what comes from now on; the other process has its end."""
        os.close(self.end)
        self.end = -1
        self._loop = loop
        loop.add_reader(self._begin, self.drain)

    def drain(self) -> None:
        """Hand on what is in it now."""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._begin, _CHUNK):
                self._handle(chunk)
            if self._loop is not None:
                self._loop.remove_reader(self._begin)

    def __exit__(self, *_: object) -> None:
        if self._loop is not None:
            self._loop.remove_reader(self._begin)
        for number in (self._begin, self.end):
            with contextlib.suppress(OSError):
                os.close(number)

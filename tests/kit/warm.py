"""A process that has imported pytest and the plugin, and forks itself for each run of pytest.

The fork does what ``python -m pytest`` does after its imports, up to the end of the interpreter. It has
the arguments, environment, folder and streams that the caller names, no other open file, and its own
process id. Of the environment variables that the interpreter itself reads (PYTHON*), only PYTHONPATH has
an effect: on `sys.path`.
"""

import atexit
import contextlib
import gc
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

PRELOADED = (
    *("_pytest.doctest", "_pytest.junitxml", "_pytest.pytester", "_pytest.setuponly"),
    *("execnet", "xdist.dsession", "xdist.workermanage", "email.parser", "faulthandler", "pdb"),
    *("pytest_flowhealth.plugin.lifecycle", "pytest_flowhealth.plugin.submit"),
    *(
        "pytest_flowhealth.plugin.reporting.run_history",
        "pytest_flowhealth.plugin.reporting.terminal",
    ),
)
"""Modules that a run imports besides pytest and its plugins."""

CLOSED = -1
"""In the place of a stream: the process starts with that stream closed."""


class Process:
    """A run of pytest under way; its methods are those of `subprocess.Popen`.

    Attributes:
        pid: The process id.
        returncode: The exit code, negative for a signal; None until `poll` or `wait` sees the end.
    """

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._answers = link.makefile("rb")
        self.pid = int(self._answers.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code; None while the process runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code when the process has ended.

        Raises:
            subprocess.TimeoutExpired: It still runs after `timeout` seconds.
        """
        if self.returncode is None:
            # What was read ahead with the process id is followed by the end of the stream.
            if not select.select([self._link], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("pytest", timeout or 0.0)
            self.returncode = int(self._answers.readline())
            self._answers.close()
            self._link.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        self.send_signal(signal.SIGKILL)
        self.wait()


class _Server:
    """The warm process that belongs to this one; the first run starts it."""

    def __init__(self) -> None:
        self._link: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def start(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], streams: Sequence[int]
    ) -> Process:
        """Start ``pytest ARGV``; `streams` are the descriptors of its three standard streams."""
        ours, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as request:
            request.write(json.dumps([[*argv], str(cwd), dict(env), [*streams]]).encode())
            request.seek(0)
            opened = [stream for stream in streams if stream != CLOSED]
            fds = [theirs.fileno(), request.fileno(), *opened]
            with self._lock:
                socket.send_fds(self._connected(), [b"."], fds)
        return Process(ours)

    def _connected(self) -> socket.socket:
        if self._link is None:
            self._link, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", __name__, str(theirs.fileno())],
                    cwd=ROOT,
                    env={name: os.environ[name] for name in os.environ if name[:7] != "PYTEST_"},
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
            atexit.register(self._end)
        return self._link

    def _end(self) -> None:
        if self._link is not None and self._process is not None:
            self._link.close()
            self._process.wait()


start = _Server().start


def _preload() -> None:
    from _pytest.config import _prepareconfig

    with tempfile.TemporaryDirectory() as folder:
        # As pytest itself imports its plugins: otherwise it warns that they were imported before.
        config = _prepareconfig(["--rootdir", folder, "-c", os.devnull, "--noconftest", folder])
        probes = pkgutil.walk_packages(
            import_module("pytest_flowhealth.probes").__path__, "pytest_flowhealth.probes."
        )
        for name in (*PRELOADED, *(module.name for module in probes)):
            import_module(name)
        config._ensure_unconfigure()
    gc.collect()
    gc.freeze()


def _serve(link: socket.socket) -> None:
    """Fork for each request. Returns in the forked process, ready to become pytest."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        message, fds, _, _ = socket.recv_fds(link, 1, 5)
        # They are reaped, not ignored, so that their processor time counts as that of the tests.
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not message:
            os._exit(0)
        if os.fork() == 0:
            pid = os.fork()
            if pid == 0:
                _prepare(*fds[1:])
                return
            _report(pid, fds[0])
        for fd in fds:
            os.close(fd)


def _report(pid: int, answers: int) -> None:
    """Tell the process id and, when the process has ended, its exit code."""
    os.write(answers, b"%d\n" % pid)
    _, status = os.waitpid(pid, 0)
    os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _prepare(request: int, *opened: int) -> None:
    """Take over the arguments, the environment, the folder and the streams."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(request, encoding="utf-8") as file:
        argv, cwd, env, streams = json.load(file)
    given = iter(opened)
    for number, stream in enumerate(streams):
        if stream == CLOSED:
            os.close(number)
        else:
            os.dup2(next(given), number)
    os.closerange(3, 256)
    theirs = env.get("PYTHONPATH", "")
    added = theirs.split(os.pathsep) if theirs != os.environ.get("PYTHONPATH", "") else []
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(cwd)
    sys.argv = ["pytest", *argv]
    sys.path[:1] = [cwd, *filter(None, added)]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        _reopen(name, number, closed=streams[number] == CLOSED)


def _reopen(name: str, number: int, *, closed: bool) -> None:
    """Open a standard stream anew, with the settings that the interpreter gave it at its start."""
    old: io.TextIOWrapper = getattr(sys, name)
    new = None
    if not closed:
        buffering = 0 if old.write_through else -1
        binary: Any = open(number, "wb" if number else "rb", buffering, closefd=False)  # noqa: SIM115
        new = io.TextIOWrapper(
            binary,
            old.encoding,
            old.errors,
            line_buffering=old.line_buffering,
            write_through=old.write_through,
        )
    setattr(sys, name, new)
    setattr(sys, f"__{name}__", new)


if __name__ == "__main__":
    _preload()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)

"""A forked run of pytest behaves as ``python -m pytest`` does."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.kit.runs import WITHOUT, Ended, environment, run_fork, run_interpreter
from tests.kit.waiting import wait_for
from tests.kit.warm import CLOSED, start

FACTS = """
import multiprocessing, os, signal, sys, threading
def test_facts():
    print("argv", sys.argv)
    print("path", sys.path)
    print("main", sys.modules["__main__"].__file__, sys.modules["__main__"].__spec__.name)
    print("environment", sorted(os.environ.items()))
    print("folder", os.getcwd())
    print("files", sorted(os.listdir("/proc/self/fd"))[:-1])
    print("streams", [(s.encoding, s.errors, s.line_buffering) for s in (sys.__stdout__, sys.__stderr__)])
    print("input", os.read(0, 9))
    print("signals", [(n, signal.getsignal(n)) for n in sorted(signal.valid_signals())])
    print("process", multiprocessing.current_process().name, threading.active_count(), os.getpgid(0))
    print("modules", [name for name in sys.modules if name.startswith("tests")])
"""
HEAD = "import atexit, os, signal, sys, threading, time, pytest\n"
GOOD = "@pytest.mark.health('app')\ndef test_good(): pass\n"
CASES = {
    "the facts of the process": (FACTS, ("-s", "-W", "error", "--strict-markers")),
    "a warning and a failure": (
        "import warnings\ndef test_it():\n    warnings.warn('mind')\n    assert 1 == 2\n",
        ("-v",),
    ),
    "Ctrl-C": ("def test_it(): os.kill(os.getpid(), signal.SIGINT)\n", ()),
    "SIGTERM": ("def test_it(): os.kill(os.getpid(), signal.SIGTERM)\n", ()),
    "os._exit in a health check": (GOOD + "    os._exit(0)\n", ("--health",)),
    "the end of the interpreter": (
        "atexit.register(os._exit, 9)\natexit.register(os.write, 1, b'atexit')\nthreading.Thread("
        "target=lambda: (threading.main_thread().join(), os.write(1, b'thread'))).start()\n" + GOOD,
        ("-s",),
    ),
}


def ended(run: Ended) -> list[str]:
    """Return the exit code and the lines of both streams, without times and addresses."""
    lines = [line for stream in (run.stdout, run.stderr) for line in stream.decode().split("\n")]
    return [str(run.exit_code), *(re.sub(r"\d+\.\d+ ?s|0x\w+", "*", line) for line in lines)]


@pytest.mark.parametrize("case", CASES)
def test_a_fork_ends_as_a_new_interpreter_does(tmp_path: Path, case: str) -> None:
    source, args = CASES[case]
    (tmp_path / "test_it.py").write_text(HEAD + source)
    env = {**environment(), "A_VARIABLE": "ü", "TZ": "Asia/Tokyo"}
    argv = [*WITHOUT, *args, "test_it.py"]

    fork, fresh = (ended(run(argv, tmp_path, env)) for run in (run_fork, run_interpreter))

    assert fork == fresh


def test_a_conftest_that_ends_the_process_ends_both_alike(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("raise KeyboardInterrupt")

    fork, fresh = (ended(run([], tmp_path, environment())) for run in (run_fork, run_interpreter))

    assert fork[0] == fresh[0]
    assert fork[-2:] == fresh[-2:] == ["KeyboardInterrupt", ""]


def test_a_forked_run_can_be_watched_and_signalled(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import time\ndef test_it():\n    open('begun', 'w').close()\n    time.sleep(60)\n"
    )
    with (tmp_path / "out").open("wb") as out:
        process = start([], tmp_path, environment(), [CLOSED, out.fileno(), out.fileno()])
        wait_for((tmp_path / "begun").exists)
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)

        process.send_signal(signal.SIGINT)

        assert process.wait(60) == pytest.ExitCode.INTERRUPTED
        assert "KeyboardInterrupt" in (tmp_path / "out").read_text()
        process.send_signal(signal.SIGINT)
        process.kill()

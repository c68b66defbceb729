"""The process probe on real processes: what they use, with their children, and when they are gone."""

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.processes import ProcessProbe, ProcessUsage
from tests.kit.waiting import wait_for

MARK = "flowhealth-process-probe-test"
PARENT = f"""
# {MARK}
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "hold = bytearray(50 * 2**20)\\nwhile True: pass"])
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def parent() -> Iterator[psutil.Process]:
    """A process whose child computes without a pause and holds 50 MiB."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        wait_for(lambda: child.memory_info().rss > 50 * 2**20)
        try:
            yield psutil.Process(process.pid)
        finally:
            child.kill()
            process.wait()


@pytest.mark.parametrize("by", ["pid", "command"])
def test_a_process_is_measured_with_its_descendants(parent: psutil.Process, by: str) -> None:
    probe = ProcessProbe()
    named = {"pid": parent.pid} if by == "pid" else {"command": MARK}

    def measure() -> ProcessUsage | None:
        found = probe.measure(**named, seconds=0.5)
        return found if found.cpu > 5 else None  # of a core that others share

    usage = wait_for(measure)
    assert usage is not None
    assert usage.number == 2
    assert parent.pid in usage.pids
    assert usage.memory > 50 * 2**20
    assert probe.find(**named) == usage.pids


def test_processes_are_found_by_the_name_of_their_program() -> None:
    with subprocess.Popen(["/bin/sleep", "600"]) as process:
        name = psutil.Process(process.pid).name()
        assert process.pid in ProcessProbe().find(name=name)
        process.kill()
    assert process.pid not in ProcessProbe().find(name=name)


def test_the_asking_process_is_not_found_by_a_word_of_its_own_command_line() -> None:
    assert psutil.Process().pid not in ProcessProbe().find(command=psutil.Process().cmdline()[0])


def test_the_time_of_a_child_that_ends_within_the_interval_counts() -> None:
    child = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    source = (
        "import subprocess, sys; sys.stdin.readline(); "
        f"subprocess.run([sys.executable, '-c', {child!r}]); print('ended', flush=True); "
        "sys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def let_the_child_run(_: float) -> None:
            stdin.write("\n")
            stdin.flush()
            assert stdout.readline() == "ended\n"

        times = iter([0.0, 1.0])
        probe = ProcessProbe(sleep=let_the_child_run, clock=lambda: next(times))
        usage = probe.measure(pid=process.pid)
        process.kill()
    assert usage.cpu >= 29
    assert usage.number == 1


def test_a_process_that_does_not_run_fails() -> None:
    assert ProcessProbe().find(command="no such program as this") == ()
    with pytest.raises(CheckFailed, match="no process with name 'no-such-program' runs"):
        ProcessProbe().measure(name="no-such-program")


def test_a_process_that_ends_while_it_is_measured_fails() -> None:
    with subprocess.Popen(["/bin/sleep", "600"]) as process:

        def kill(_: float) -> None:
            process.kill()
            process.wait()

        with pytest.raises(CheckFailed, match=r"with pid \d+ ended while it was measured"):
            ProcessProbe(sleep=kill).measure(pid=process.pid)


@pytest.mark.parametrize("named", [{}, {"name": "node", "command": "server.js"}, {"command": ""}])
def test_exactly_one_argument_names_the_processes(named: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="one of pid, name and command"):
        ProcessProbe().measure(**named)  # type: ignore[arg-type]

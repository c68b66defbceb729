"""Programs that end, hang, talk without end, leave children behind, or are not there."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes import command
from tests.kit.processes import is_running
from tests.kit.waiting import wait_for

TIMEOUT = 60.0
STAYS = "sleep 600 & echo $! > pid\n"
"""Start a child that keeps the pipes of its parent, and note its id in the file `pid`."""


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def has_ended(file: Path) -> bool:
    """Tell whether the process whose id `file` holds has ended."""
    return not is_running(int(file.read_text()))


def test_a_program_leaves_its_code_and_both_outputs(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getcwd()); sys.stderr.write('no'); sys.exit(3)"
    done = command.run(python(code), cwd=tmp_path, timeout=TIMEOUT)
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path}\n", "no")
    assert done.argv == tuple(python(code))
    assert done.seconds > 0


def test_standard_input_is_empty_or_what_was_given() -> None:
    code = "import sys; print(len(sys.stdin.buffer.read()))"
    assert command.run(python(code), timeout=TIMEOUT).stdout == "0\n"
    given = command.run(python(code), timeout=TIMEOUT, stdin=b"x" * 1_000_000)
    assert given.stdout == "1000000\n"


def test_input_that_is_not_read_does_no_harm() -> None:
    assert command.run(python("pass"), timeout=TIMEOUT, stdin=b"x" * 1_000_000).returncode == 0


def test_arguments_never_reach_a_shell(tmp_path: Path) -> None:
    done = command.run(
        [*python("import sys; print(sys.argv[1])"), "$(touch x); `touch y`"],
        timeout=TIMEOUT,
        cwd=tmp_path,
    )
    assert done.stdout == "$(touch x); `touch y`\n"
    assert list(tmp_path.iterdir()) == []


def test_output_is_decoded_as_utf_8_in_any_locale() -> None:
    code = "import sys; sys.stdout.buffer.write('ü'.encode() + b'\\xff\\n\\r\\n')"
    done = command.run(python(code), timeout=TIMEOUT, env={"LC_ALL": "C", "PATH": "/nowhere"})
    assert done.stdout == "ü\ufffd\n\r\n"


def test_output_is_bounded() -> None:
    code = "import sys; sys.stdout.write('x' * 3_000_000); sys.stderr.write('e')"
    done = command.run(python(code), timeout=TIMEOUT, max_output=1_000)
    assert (len(done.stdout), done.stderr, done.returncode) == (1_000, "e", 0)


@pytest.mark.parametrize(
    "script", ["exec sleep 600", "exec yes", "exec >&- 2>&-; sleep 600", STAYS + "wait"],
    ids=["sleeps", "talks", "closes its outputs", "waits for a child"],
)  # fmt: skip
def test_a_program_without_end_is_unmeasured_and_ended_with_its_children(
    tmp_path: Path, script: str
) -> None:
    with pytest.raises(MeasurementUnavailable, match=r"gave no answer within 0\.7 s"):
        command.run(shell(script), timeout=0.7, cwd=tmp_path)
    if (tmp_path / "pid").exists():
        wait_for(lambda: has_ended(tmp_path / "pid"))


def test_a_child_that_keeps_the_pipes_is_not_waited_for(tmp_path: Path) -> None:
    done = command.run(shell(STAYS + "echo done"), timeout=600, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "done\n")
    wait_for(lambda: has_ended(tmp_path / "pid"))


def test_a_program_that_can_not_be_started_fails(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(CheckFailed, match="no `flowhealth-no-such` on the PATH"):
        command.run(["flowhealth-no-such"], timeout=1)
    with pytest.raises(CheckFailed, match="no folder"):
        command.run(python(""), timeout=1, cwd=tmp_path / "absent")
    with pytest.raises(CheckFailed, match="can't be started"):
        command.run([str(tmp_path / "plain")], timeout=1)
    with pytest.raises(CheckFailed, match="can't be started"):
        command.run(["a\0b"], timeout=1)


def test_many_programs_run_at_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        run = lambda at: command.run(["echo", str(at)], timeout=TIMEOUT)  # noqa: E731
        done = list(pool.map(run, range(16)))
    assert [one.stdout for one in done] == [f"{at}\n" for at in range(16)]


def test_ending_all_programs_ends_their_children_too(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    codes: list[int] = []

    def run() -> None:
        done = command.run(shell(STAYS + "exec sleep 600"), timeout=600, cwd=tmp_path)
        codes.append(done.returncode)

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: file.exists() and file.read_text())

    command.end_all()

    thread.join(TIMEOUT)
    assert codes == [-9]
    wait_for(lambda: has_ended(file))

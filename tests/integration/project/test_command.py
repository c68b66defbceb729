"""Programs that end, hang, talk without end, leave children behind, or are not there."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes import command
from pytest_flowhealth.probes.command import Completed
from tests.kit.processes import is_running
from tests.kit.waiting import wait_for

TIMEOUT = 60.0
STAYS = "sleep 600 & echo $! > pid\n"
"""Start a child that keeps the pipes of its parent, and note its id in the file `pid`."""


def has_ended(file: Path) -> bool:
    """Tell whether the process whose id `file` holds has ended."""
    return not is_running(int(file.read_text()))


def run_python(code: str, *words: str, **options: Any) -> Completed:
    return command.run([sys.executable, "-S", "-c", code, *words], timeout=TIMEOUT, **options)


def test_a_program_leaves_its_code_and_both_outputs(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getcwd(), sys.argv[1]); sys.stderr.write('no'); sys.exit(3)"
    done = run_python(code, "$(touch x); `touch y`", cwd=tmp_path)
    output = f"{tmp_path} $(touch x); `touch y`\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, output, "no")
    assert done.argv == (sys.executable, "-S", "-c", code, "$(touch x); `touch y`")
    assert done.seconds > 0
    assert list(tmp_path.iterdir()) == []  # no shell has seen the arguments


def test_standard_input_is_empty_or_what_was_given_read_or_not() -> None:
    code = "import sys; print(len(sys.stdin.buffer.read()))"
    assert run_python(code).stdout == "0\n"
    assert run_python(code, stdin=b"x" * 1_000_000).stdout == "1000000\n"
    assert run_python("pass", stdin=b"x" * 1_000_000).returncode == 0


def test_output_is_bounded_and_decoded_as_utf_8_in_any_locale() -> None:
    code = (
        "import sys; sys.stdout.buffer.write('ü'.encode() + b'\\xff\\n\\r\\n' + b'x' * 3_000_000)"
    )
    done = run_python(code, env={"LC_ALL": "C", "PATH": "/nowhere"}, max_output=6)
    assert (done.stdout, done.returncode) == ("ü\ufffd\n\r\n", 0)


@pytest.mark.parametrize(
    "script", ["exec sleep 600", "exec yes", "exec >&- 2>&-; sleep 600", STAYS + "wait"],
    ids=["sleeps", "talks", "closes its outputs", "waits for a child"],
)  # fmt: skip
def test_a_program_without_end_is_unmeasured_and_ended_with_its_children(
    tmp_path: Path, script: str
) -> None:
    with pytest.raises(MeasurementUnavailable, match=r"gave no answer within 0\.7 s"):
        command.run(["sh", "-c", script], timeout=0.7, cwd=tmp_path)
    if (tmp_path / "pid").exists():
        wait_for(lambda: has_ended(tmp_path / "pid"))


def test_a_child_that_keeps_the_pipes_is_not_waited_for(tmp_path: Path) -> None:
    done = command.run(["sh", "-c", STAYS + "echo done"], timeout=600, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "done\n")
    wait_for(lambda: has_ended(tmp_path / "pid"))


@pytest.mark.parametrize(
    ("program", "folder", "says"),
    [
        ("flowhealth-no-such", ".", "no `flowhealth-no-such` on the PATH"),
        ("sh", "absent", "no folder"),
        ("./plain", ".", "can't be started"),
        ("a\0b", ".", "can't be started"),
    ],
)
def test_a_program_that_can_not_be_started_fails(
    tmp_path: Path, program: str, folder: str, says: str
) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(CheckFailed, match=says):
        command.run([program], timeout=1, cwd=tmp_path / folder)


def test_ending_all_programs_ends_their_children_too(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with ThreadPoolExecutor(1) as pool:
        script = ["sh", "-c", STAYS + "exec sleep 600"]
        running = pool.submit(command.run, script, timeout=600, cwd=tmp_path)
        wait_for(lambda: file.exists() and file.read_text())
        command.end_all()
        assert running.result(TIMEOUT).returncode == -9
    wait_for(lambda: has_ended(file))

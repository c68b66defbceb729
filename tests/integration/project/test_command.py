"""Programs that end, hang, talk without end, leave children behind, or are not there."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from pytest_flowhealth.errors import ProbeError, Unmeasured
from pytest_flowhealth.probes import command

PATIENCE = 20.0


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def gone(file: Path) -> bool:
    """Tell whether the process whose id `file` holds has ended."""
    try:
        return psutil.Process(int(file.read_text())).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def in_time(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def child_that_stays(file: Path) -> str:
    """Return code that starts a child which keeps our pipes, and writes its id to `file`."""
    return (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(file)!r}, 'w').write(str(child.pid))\n"
    )


def test_outputs_and_code(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getcwd()); sys.stderr.write('no'); sys.exit(3)"
    done = command.run(python(code), cwd=tmp_path, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path}\n", "no")
    assert done.argv == tuple(python(code))
    assert done.seconds > 0


def test_standard_input_is_empty_or_what_was_given() -> None:
    code = "import sys; print(len(sys.stdin.buffer.read()))"
    assert command.run(python(code), timeout=PATIENCE).stdout == "0\n"
    given = command.run(python(code), timeout=PATIENCE, stdin=b"x" * 1_000_000)
    assert given.stdout == "1000000\n"


def test_input_that_is_not_read_does_not_matter() -> None:
    assert command.run(python("pass"), timeout=PATIENCE, stdin=b"x" * 1_000_000).returncode == 0


def test_arguments_never_reach_a_shell(tmp_path: Path) -> None:
    done = command.run(
        [*python("import sys; print(sys.argv[1])"), "$(touch x); `touch y`"],
        timeout=PATIENCE,
        cwd=tmp_path,
    )
    assert done.stdout == "$(touch x); `touch y`\n"
    assert list(tmp_path.iterdir()) == []


def test_output_is_decoded_whatever_the_locale_says_and_it_holds() -> None:
    code = "import sys; sys.stdout.buffer.write('ü'.encode() + b'\\xff\\n\\r\\n')"
    done = command.run(python(code), timeout=PATIENCE, env={"LC_ALL": "C", "PATH": "/nowhere"})
    assert done.stdout == "ü\ufffd\n\r\n"


def test_output_is_bounded() -> None:
    code = "import sys; sys.stdout.write('x' * 3_000_000); sys.stderr.write('e')"
    done = command.run(python(code), timeout=PATIENCE, max_output=1_000)
    assert (len(done.stdout), done.stderr, done.returncode) == (1_000, "e", 0)


@pytest.mark.parametrize(
    "code", ["import time; time.sleep(600)", "while True: print('x' * 1000)", "import os; os.close(1); os.close(2)\nwhile True: pass"]
)  # fmt: skip
def test_no_end_in_time(code: str) -> None:
    with pytest.raises(Unmeasured, match=r"gave no answer within 0\.5 s"):
        command.run(python(code), timeout=0.5)


def test_children_are_ended_with_it(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with pytest.raises(Unmeasured):
        command.run(python(child_that_stays(file) + "time.sleep(600)"), timeout=3)
    assert in_time(lambda: gone(file))


def test_a_child_that_keeps_the_pipes_is_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    done = command.run(python(child_that_stays(file) + "print('done')"), timeout=600)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert in_time(lambda: gone(file))


def test_no_such_program_folder_or_right(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(ProbeError, match="no `flowhealth-no-such` on the PATH"):
        command.run(["flowhealth-no-such"], timeout=1)
    with pytest.raises(ProbeError, match="no folder"):
        command.run(python(""), timeout=1, cwd=tmp_path / "absent")
    with pytest.raises(ProbeError, match="can't be started"):
        command.run([str(tmp_path / "plain")], timeout=1)
    with pytest.raises(ProbeError, match="can't be started"):
        command.run(["a\0b"], timeout=1)


def test_many_at_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(
            pool.map(lambda at: command.run(python(f"print({at})"), timeout=PATIENCE), range(16))
        )
    assert [one.stdout for one in done] == [f"{at}\n" for at in range(16)]


def test_all_are_ended(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    code = child_that_stays(file) + "time.sleep(600)"
    told: list[int] = []
    thread = threading.Thread(
        target=lambda: told.append(command.run(python(code), timeout=600).returncode)
    )
    thread.start()
    assert in_time(lambda: file.exists() and file.read_text() != "")

    command.end_all()

    thread.join(PATIENCE)
    assert told == [-9]
    assert in_time(lambda: gone(file))

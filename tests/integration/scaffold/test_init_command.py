"""`--health-init` from the command line: what it shows, asks, writes, and its exit codes."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.probes.test_unreadable import WITHOUT_RIGHTS

PLAIN = '{\n  "name": "shop",\n  "main": "index.js"\n}\n'


@pytest.fixture
def shop(pytester: pytest.Pytester) -> Path:
    (pytester.path / "package.json").write_text(PLAIN)
    return pytester.path


def names(shop: Path) -> list[str]:
    """Return what is in a folder, but for what pytester leaves there."""
    found = (one.name for one in shop.iterdir())
    return sorted(one for one in found if not one.startswith(("runpytest", "std")))


@pytest.mark.parametrize(
    ("option", "code"), [("--health-init", 1), ("--health-init=ask", 1), ("--health-init=diff", 0)]
)
@pytest.mark.parametrize("more", [[], ["--health"]])
def test_without_a_terminal_it_only_shows(
    shop: Path, pytester: pytest.Pytester, option: str, code: int, more: list[str]
) -> None:
    done = pytester.runpytest_subprocess(option, *more)

    assert done.ret == code
    done.stdout.fnmatch_lines(
        [
            "+++ b/flowhealth.toml",
            "+++ b/package.json",
            '+    "monitor:all": *',
            "*--health-init=write",
        ]
    )
    assert names(shop) == ["package.json"]


def test_written_without_asking_and_then_nothing_to_do(
    shop: Path, pytester: pytest.Pytester
) -> None:
    first = pytester.runpytest_subprocess("--health-init=write")
    second = pytester.runpytest_subprocess("--health-init")

    assert (first.ret, second.ret) == (0, 0)
    first.stdout.fnmatch_lines(["written: flowhealth.toml", "changed: package.json", "now: *"])
    second.stdout.fnmatch_lines(["nothing to do in *"])
    assert names(shop) == [".github", "deploy", "flowhealth.toml", "health", "package.json"]


def test_another_folder(shop: Path, pytester: pytest.Pytester) -> None:
    (shop / "app").mkdir()
    (shop / "app/package.json").write_text(PLAIN)
    done = pytester.runpytest_subprocess("--health-init=write", "--health-project", "app")

    assert done.ret == 0
    assert names(shop) == ["app", "package.json"]
    assert "health" in names(shop / "app")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--health-init=maybe"], "invalid choice: 'maybe'"),
        (["--health-init=write", "--health-project=none"], "is no folder"),
    ],
)
def test_what_can_not_be_meant(
    shop: Path, pytester: pytest.Pytester, words: list[str], says: str
) -> None:
    done = pytester.runpytest_subprocess(*words)

    assert done.ret == 4
    assert says in done.stderr.str()
    assert names(shop) == ["package.json"]


@pytest.mark.parametrize("content", [None, "{", '{"scripts": 1}'])
def test_no_package_json_or_a_broken_one(pytester: pytest.Pytester, content: str | None) -> None:
    if content is not None:
        (pytester.path / "package.json").write_text(content)
    done = pytester.runpytest_subprocess("--health-init=write")

    assert done.ret == 4
    assert "--health-init: package.json" in done.stderr.str()
    assert "Traceback" not in done.stderr.str()


def test_what_is_in_the_way_is_a_usage_error(shop: Path, pytester: pytest.Pytester) -> None:
    (shop / "health").write_text("")
    done = pytester.runpytest_subprocess("--health-init=write")

    assert done.ret == 4
    assert "health is in the way: it is no folder" in done.stderr.str()
    assert names(shop) == ["health", "package.json"]


def test_a_question_about_pytest_is_answered(shop: Path, pytester: pytest.Pytester) -> None:
    done = pytester.runpytest_subprocess("--health-init", "--version")

    assert done.ret == 0
    assert names(shop) == ["package.json"]


def test_a_folder_that_may_not_be_written(shop: Path) -> None:
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root writes everywhere, and setpriv is not installed")
    (shop / "deploy").mkdir()
    (shop / "deploy").chmod(0o555)
    before = names(shop)
    without = ["setpriv", *WITHOUT_RIGHTS] if os.geteuid() == 0 else []

    argv = [*without, sys.executable, "-m", "pytest", "--health-init=write"]
    done = subprocess.run(argv, cwd=shop, capture_output=True, text=True, check=False, timeout=60)
    (shop / "deploy").chmod(0o755)

    assert done.returncode == 2, done.stderr
    assert "deploy/flowhealth.service can't be written: Permission denied; nothing was written" in done.stderr  # fmt: skip
    assert names(shop) == before
    assert (shop / "package.json").read_text() == PLAIN


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 1), (b"\n", 1), (b"\x04", 1)])
def test_a_terminal_is_asked(shop: Path, answer: bytes, code: int) -> None:
    returned, shown = _on_a_terminal(shop, answer)

    assert "write these 8 files? [y/N]" in shown, shown
    assert returned == code
    assert ("health" in names(shop)) == (code == 0)
    assert ("nothing was written" in shown) == (code == 1)


def test_what_a_file_says_can_not_drive_the_terminal(shop: Path) -> None:
    (shop / "package.json").write_text('{\n  "name": "a",\n  "x": "\u202e\x7f\u009b31m"\n}\n')
    _, shown = _on_a_terminal(shop, b"n\n")

    assert "\\u202e\\x7f\\x9b31m" in shown
    assert not {"\u202e", "\x7f", "\u009b"} & set(shown)


def _on_a_terminal(folder: Path, answer: bytes) -> tuple[int, str]:
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, "-m", "pytest", "--health-init"])
    shown, asked, end = b"", False, time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        shown += part
        if not part:
            break
        if not asked and b"[y/N]" in shown:
            asked = True
            os.write(terminal, answer)
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode()


def test_the_diff_of_a_file_with_other_ends_of_lines_can_be_applied(shop: Path) -> None:
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    (shop / "package.json").write_bytes(b'{\r\n  "name": "shop"\r\n}\r\n')
    words = [sys.executable, "-m", "pytest", "--health-init=diff"]
    diff = subprocess.run(words, cwd=shop, capture_output=True, check=True).stdout
    subprocess.run(["git", "apply"], cwd=shop, input=diff, check=True)

    text = (shop / "package.json").read_bytes()
    assert b'"name": "shop",\r\n' in text
    assert text.count(b"\r\n") == text.count(b"\n")
    assert (shop / "flowhealth.toml").is_file()

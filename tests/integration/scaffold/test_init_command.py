"""`flowhealth init` as typed: what it shows, asks and writes, and its exit codes."""

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

from tests.kit.runs import FLOWHEALTH, run_flowhealth

PLAIN = '{\n  "name": "shop",\n  "main": "index.js"\n}\n'
WITHOUT_RIGHTS = ("--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override")
"""Root's right to read everything, given away (setpriv(1), capabilities(7))."""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "package.json").write_text(PLAIN)
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("words", "code", "last"),
    [((), 4, "there is no terminal to ask on"), (("--diff",), 0, "flowhealth init --write")],
)
def test_without_a_terminal_it_only_shows(
    shop: Path, words: tuple[str, ...], code: int, last: str
) -> None:
    done = run_flowhealth(shop, "init", *words)

    assert done.exit_code == code
    for part in ("+++ b/flowhealth.toml", "+++ b/package.json", '+    "monitor:all": '):
        assert part in done.out
    assert last in done.text
    assert names(shop) == ["package.json"]


def test_it_writes_without_asking_and_then_has_nothing_to_do(shop: Path) -> None:
    first = run_flowhealth(shop, "init", "--write")
    second = run_flowhealth(shop, "init")

    assert (first.exit_code, second.exit_code) == (0, 0)
    for part in (
        "written: flowhealth.toml\n",
        "changed: package.json\n",
        "next: pytest --health\n",
    ):
        assert part in first.out
    assert second.out.startswith("nothing to do in ")
    assert names(shop) == [".github", "deploy", "flowhealth.toml", "health", "package.json"]


def test_another_folder_can_be_named(shop: Path) -> None:
    (shop / "app").mkdir()
    (shop / "app/package.json").write_text(PLAIN)
    done = run_flowhealth(shop, "init", "--write", "--project", "app")

    assert done.exit_code == 0
    assert names(shop) == ["app", "package.json"]
    assert "health" in names(shop / "app")


@pytest.mark.parametrize(
    ("words", "manifest", "problem"),
    [
        (["--diff", "--write"], PLAIN, "exclude each other"),
        (["--write", "--project=none"], PLAIN, "is no folder"),
        (["--write"], "{", "flowhealth init: package.json"),
    ],
)
def test_what_can_not_be_used_is_a_usage_error(
    shop: Path, words: list[str], manifest: str, problem: str
) -> None:
    (shop / "package.json").write_text(manifest)
    done = run_flowhealth(shop, "init", *words)

    assert done.exit_code == 4
    assert problem in done.err
    assert names(shop) == ["package.json"]


def test_a_folder_that_may_not_be_written_fails_and_nothing_is_written(shop: Path) -> None:
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root writes everywhere, and setpriv is not installed")
    (shop / "deploy").mkdir()
    (shop / "deploy").chmod(0o555)
    before = names(shop)
    without = ["setpriv", *WITHOUT_RIGHTS] if os.geteuid() == 0 else []

    argv = [*without, *FLOWHEALTH, "init", "--write"]
    done = subprocess.run(argv, cwd=shop, capture_output=True, text=True, check=False, timeout=60)
    (shop / "deploy").chmod(0o755)

    assert done.returncode == 3, done.stderr
    assert "deploy/flowhealth.service can't be written: Permission denied; nothing was written" in done.stderr  # fmt: skip
    assert names(shop) == before
    assert (shop / "package.json").read_text() == PLAIN


def test_on_a_terminal_yes_writes(shop: Path) -> None:
    code, shown = on_a_terminal(shop, b"y\n")

    assert "write these 8 files? [y/N]" in shown, shown
    assert (code, "health" in names(shop)) == (0, True)


@pytest.mark.parametrize("answer", [b"\n", b"\x04"])
def test_on_a_terminal_anything_else_writes_nothing_and_shows_no_control_characters(
    shop: Path, answer: bytes
) -> None:
    (shop / "package.json").write_text('{\n  "name": "a",\n  "x": "\u202e\x7f\u009b31m"\n}\n')
    code, shown = on_a_terminal(shop, answer)

    assert ("interrupted" if answer == b"\x04" else "nothing was written") in shown
    assert code == (3 if answer == b"\x04" else 0)
    assert names(shop) == ["package.json"]
    assert "\\u202e\\x7f\\x9b31m" in shown
    assert not {"\u202e", "\x7f", "\u009b"} & {*shown}


def on_a_terminal(folder: Path, answer: bytes) -> tuple[int, str]:
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execv(sys.executable, [*FLOWHEALTH, "init"])
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


def test_the_shown_diff_of_a_file_with_crlf_can_be_applied(shop: Path) -> None:
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    (shop / "package.json").write_bytes(b'{\r\n  "name": "shop"\r\n}\r\n')
    words = [*FLOWHEALTH, "init", "--diff"]
    diff = subprocess.run(words, cwd=shop, capture_output=True, check=True).stdout
    subprocess.run(["git", "apply"], cwd=shop, input=diff, check=True)

    text = (shop / "package.json").read_bytes()
    assert b'"name": "shop",\r\n' in text
    assert text.count(b"\r\n") == text.count(b"\n")
    assert (shop / "flowhealth.toml").is_file()

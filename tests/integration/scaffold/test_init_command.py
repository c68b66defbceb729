"""`flowhealth init` as typed: what it shows, asks and writes, and its exit codes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kit.projects import write
from tests.kit.runs import FLOWHEALTH, run_flowhealth
from tests.kit.terminal import run_on_terminal

PLAIN = '{\n  "name": "shop",\n  "main": "index.js"\n}\n'
WITHOUT_RIGHTS = ("--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override")
"""Root's right to read everything, given away (setpriv(1), capabilities(7))."""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write(tmp_path / "shop", {"package.json": PLAIN})


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


def test_it_writes_into_the_named_folder_without_asking_and_then_has_nothing_to_do(
    shop: Path,
) -> None:
    first = run_flowhealth(shop.parent, "init", "--write", "--project", shop.name)
    second = run_flowhealth(shop, "init")

    assert (first.exit_code, second.exit_code) == (0, 0)
    for part in (
        "written: flowhealth.toml\n",
        "changed: package.json\n",
        "next: pytest --health\n",
    ):
        assert part in first.out
    assert second.out.startswith("nothing to do in ")
    assert names(shop) == [
        ".github",
        "deploy",
        "flowhealth.schema.json",
        "flowhealth.toml",
        "health",
        "package.json",
    ]


@pytest.mark.parametrize(
    ("words", "manifest", "problem"),
    [
        (["--diff", "--write"], PLAIN, "exclude each other"),
        (["--write", "--project=none"], PLAIN, "is not a folder"),
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


@pytest.mark.parametrize(("answer", "exit_code"), [(b"y\n", 0), (b"\n", 0), (b"\x04", 3)])
def test_on_a_terminal_only_yes_writes_and_no_control_characters_are_shown(
    shop: Path, answer: bytes, exit_code: int
) -> None:
    write(shop, {"package.json": '{\n  "name": "a",\n  "x": "\u202e\x7f\u009b31m"\n}\n'})
    code, shown = run_on_terminal(shop, "init", answer=answer, module="pytest_flowhealth.cli")

    assert "write these 9 files? [y/N]" in shown, shown
    assert "\\u202e\\x7f\\x9b31m" in shown
    assert not {"\u202e", "\x7f", "\u009b"} & {*shown}
    agreed = answer == b"y\n"
    assert ("nothing was written" in shown) is (answer == b"\n")
    assert (code, "health" in names(shop)) == (exit_code, agreed)
    assert agreed or names(shop) == ["package.json"]

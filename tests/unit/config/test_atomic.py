"""Files that are replaced in one step."""

import os
from pathlib import Path

import pytest

from pytest_flowhealth.config.atomic import FOLDER, make_folder, replace_file


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_file_is_for_everybody_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        replace_file(tmp_path / "out/new", b"text")
        replace_file(tmp_path / "out/private", b"text", mode=0o600)
    finally:
        os.umask(before)

    assert (mode_of(tmp_path / "out/new"), mode_of(tmp_path / "out/private")) == (0o644, 0o600)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"new", "private"}


def test_a_replaced_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").touch(0o640)
    (tmp_path / "link").symlink_to("real")
    replace_file(tmp_path / "link", b"text")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"text"
    assert mode_of(tmp_path / "real") == 0o640


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(tmp_path / "file", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"old"}


def test_our_own_folder_is_not_for_git(tmp_path: Path) -> None:
    make_folder(tmp_path / FOLDER)
    make_folder(tmp_path / "other")
    assert (tmp_path / FOLDER / ".gitignore").read_text() == "*\n"
    assert [*(tmp_path / "other").iterdir()] == []

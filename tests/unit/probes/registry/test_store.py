"""Answers kept on disk: by nobody else to be read, and no harm where they are spoilt."""

import os
import time
from pathlib import Path

import pytest

from pytest_flowhealth.probes.registry.store import Kept, Store
from pytest_flowhealth.probes.usercache import user_folder

KEPT = Kept("http://127.0.0.1/", '"v1"', 1.0, b"{}")


def test_a_stored_answer_is_private_and_read_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "b")
    store.save("x", KEPT)

    assert store.load("x") == KEPT
    assert store.load("y") is None
    assert (tmp_path / "a" / "b").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"", b"\xff" * 99, b"null"])
def test_a_spoilt_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    store = Store(tmp_path)
    store.save("x", KEPT)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)

    assert store.load("x") is None
    store.save("x", KEPT)
    assert store.load("x") == KEPT


def test_without_a_writable_folder_nothing_is_stored(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (None, tmp_path / "file" / "below", Path("/proc/none")):
        store = Store(folder)
        store.save("x", KEPT)
        assert store.load("x") is None


def test_answers_older_than_a_month_are_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save("old", KEPT)
    (file,) = tmp_path.iterdir()
    month_ago = time.time() - 40 * 86_400
    os.utime(file, (month_ago, month_ago))
    store.save("new", KEPT)

    assert store.load("old") is None
    assert store.load("new") == KEPT


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/pytest-flowhealth/npm"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/pytest-flowhealth/npm"),
        ({}, None),
    ],
)
def test_the_folder_is_in_the_users_cache(environ: dict[str, str], folder: str | None) -> None:
    assert user_folder(environ, "npm") == (Path(folder) if folder else None)

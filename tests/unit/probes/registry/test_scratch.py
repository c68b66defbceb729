"""Temporary folders: those of ended processes are removed, those of running ones stay."""

import os
import tempfile
from pathlib import Path

import pytest

from pytest_flowhealth.probes.registry import scratch

ENDED = 2**22 + 1
"""A process id above Linux's highest, so nobody has it."""


def test_folders_of_ended_processes_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = tmp_path / f"{scratch.PREFIX}{ENDED}-x"
    (ended / "project").mkdir(parents=True)
    own, other = tmp_path / f"{scratch.PREFIX}{os.getpid()}-x", tmp_path / f"{scratch.PREFIX}x"
    for folder in (own, other):
        folder.mkdir()

    with scratch.scratch() as made:
        assert {*tmp_path.iterdir()} == {made, own, other}
        assert made.stat().st_mode & 0o077 == 0
    assert {*tmp_path.iterdir()} == {own, other}

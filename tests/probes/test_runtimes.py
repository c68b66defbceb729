"""Node and npm, real and pretended, and the platform."""

import os
import platform
import shutil
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed, FlowHealthError
from pytest_flowhealth.probes import runtimes

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")


def pretend(folder: Path, program: str, script: str) -> None:
    path = folder / program
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return tmp_path


@needs_node
def test_the_real_ones() -> None:
    assert runtimes.version("node").count(".") == 2
    assert runtimes.version("npm").count(".") == 2
    found = runtimes.host()
    assert found.told_by == "node"
    assert found.release == platform.release()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("v20.1.2", "20.1.2"),
        ("9.0.0", "9.0.0"),
        ("v23.0.0-nightly20250101abc", "23.0.0"),
        ("a warning\nv18.0.0", "18.0.0"),
    ],
)
def test_what_is_a_version(path: Path, said: str, expected: str) -> None:
    pretend(path, "node", f"printf '{said}\\n'")
    assert runtimes.version("node") == expected


@pytest.mark.parametrize("script", ["exit 1", "echo banana", "true", "echo v1.2", "kill -9 $$"])
def test_what_is_none(path: Path, script: str) -> None:
    pretend(path, "node", script)
    with pytest.raises(CheckFailed, match="node --version"):
        runtimes.version("node")


def test_a_program_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CheckFailed, match="node"):
        runtimes.version("node")
    found = runtimes.host()
    assert found.told_by == "python"
    assert found.platform
    assert found.architecture


def test_a_program_that_does_not_answer(path: Path) -> None:
    pretend(path, "node", "sleep 60")
    with pytest.raises(FlowHealthError):
        runtimes.version("node", timeout=0.2)
    assert runtimes.host(timeout=0.2).told_by == "python"


def test_a_node_that_tells_nonsense(path: Path) -> None:
    pretend(path, "node", "echo '[[[['")
    assert runtimes.host().told_by == "python"


@pytest.mark.parametrize(
    ("name", "allowed", "expected"),
    [
        ("linux", [], False),
        ("linux", ["any"], False),
        ("linux", ["linux", "darwin"], False),
        ("linux", ["darwin"], True),
        ("linux", ["!win32"], False),
        ("linux", ["!linux"], True),
        ("linux", ["!win32", "linux"], False),
        ("linux", ["!win32", "darwin"], True),
        ("linux", ["linux", "!linux"], True),
    ],
)
def test_what_excludes(name: str, allowed: list[str], expected: bool) -> None:
    assert runtimes.excluding(name, allowed) is expected

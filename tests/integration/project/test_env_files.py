"""An `.env` file, read by the project's dotenv or by Node."""

import shutil
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.env_files import read_env_file
from tests.kit.projects import write, write_module

TEXT = """\
# a comment
REDIS_URL=redis://cache:6379/1 # where the queue is
export HOST=cache
PASSWORD="a#b"
CUT=a#b
SINGLE='a\\nb'
DOUBLE="a\\nb"
OTHER=${HOST}
"""


def env_file(folder: Path, text: str | bytes = TEXT) -> Path:
    return write(folder, {".env": text}) / ".env"


def test_is_read_as_node_reads_it(tmp_path: Path):
    assert read_env_file(env_file(tmp_path)) == {
        "REDIS_URL": "redis://cache:6379/1",
        "HOST": "cache",
        "PASSWORD": "a#b",
        "CUT": "a",
        "SINGLE": "a\\nb",
        "DOUBLE": "a\nb",
        "OTHER": "${HOST}",
    }


def test_is_read_by_the_projects_dotenv_where_that_is_installed(tmp_path: Path):
    write_module(tmp_path, "dotenv", {"index.js": "exports.parse = (t) => ({ READ: t.trim() })"})
    assert read_env_file(env_file(tmp_path, "A: 1\n")) == {"READ": "A: 1"}


def test_that_is_not_there_sets_nothing(tmp_path: Path):
    assert read_env_file(tmp_path / ".env") == {}


@pytest.mark.parametrize("content", [b"A=\xff\n", b"A=\0\n"])
def test_that_is_no_text_is_a_fault(tmp_path: Path, content: bytes):
    with pytest.raises(CheckFailed, match=r"\.env is not UTF-8 text"):
        read_env_file(env_file(tmp_path, content))


def test_that_is_a_folder_is_a_fault(tmp_path: Path):
    (tmp_path / ".env").mkdir()
    with pytest.raises(CheckFailed, match="is a folder"):
        read_env_file(tmp_path / ".env")


@pytest.mark.parametrize(
    ("program", "why"),
    [("echo oops >&2; exit 1", "oops"), ("echo null", "no util.parseEnv"), ("sleep 60", "within")],
)
def test_is_unknown_where_node_gives_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, why: str
):
    node = write(tmp_path, {"bin/node": f"#!/bin/sh\n{program}\n"}) / "bin/node"
    node.chmod(0o755)
    sleep = shutil.which("sleep")
    assert sleep
    monkeypatch.setenv("PATH", f"{node.parent}:{Path(sleep).parent}")
    with pytest.raises(MeasurementUnavailable, match=why):
        read_env_file(env_file(tmp_path), timeout=5 if "sleep" not in program else 0.5)


def test_needs_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CheckFailed, match="no `node`"):
        read_env_file(env_file(tmp_path))

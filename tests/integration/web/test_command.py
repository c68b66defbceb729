"""--health-dashboard and --health-hash as they are typed."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_flowhealth.web.passwords import require_passwords


def typed(folder: Path, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "package.json").write_text('{"name": "x", "version": "1.0.0"}')
    argv = [sys.executable, "-m", "pytest", *words]
    return subprocess.run(
        argv, cwd=folder, capture_output=True, text=True, input=said, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("0.0.0.0:3999", "that needs a password (FLOWHEALTH_WEB_PASSWORD) and TLS"),
        ("nonsense", "'nonsense' is no address"),
    ],
)
def test_what_is_refused(tmp_path: Path, address: str, said: str) -> None:
    done = typed(tmp_path, f"--health-dashboard={address}")
    assert done.returncode == 4
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = typed(tmp_path, "--health-dashboard", str(port))
    assert done.returncode == 4
    assert "name another port, as in --health-dashboard 3002" in done.stderr


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "flowhealth.toml").write_text('[web]\ncertificate = "a.pem"\nkey = "b.pem"\n')
    done = typed(tmp_path, "--health-dashboard=0")
    assert done.returncode == 4
    assert "there is no file" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('users = { admin = "plain" }', "'admin' needs an argon2 hash"),
        ('tokens = { a = { sha256 = "x" } }', "'a' needs the token's SHA-256"),
        ('tokens = { a = { sha256 = "x", scopes = ["all"] } }', "tokens"),
        ('origins = ["example.org"]', "expected origins such as 'https://"),
        ('session = "long"', "web.session"),
    ],
)
def test_configurations_that_can_not_be_meant(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "flowhealth.toml").write_text(f"[web]\n{text}\n")
    done = typed(tmp_path, "--health-dashboard=0")
    assert done.returncode == 4
    assert said in done.stdout + done.stderr
    assert "plain" not in done.stdout + done.stderr


def test_a_hash_is_made(tmp_path: Path) -> None:
    done = typed(tmp_path, "--health-hash", said="geheim\n")
    assert done.returncode == 0
    assert require_passwords().agrees(done.stdout.strip(), "geheim")
    assert not require_passwords().agrees(done.stdout.strip(), "Geheim")
    assert typed(tmp_path, "--health-hash", said="\n").returncode == 4

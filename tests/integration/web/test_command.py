"""`--health-dashboard` and `--health-hash` as they are typed."""

import socket
import subprocess
import sys
from pathlib import Path

from pytest_flowhealth.web.passwords import require_passwords
from tests.kit.runs import environment, run_pytest


def test_an_address_that_cannot_be_served_is_a_usage_error(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, "--health-dashboard=0.0.0.0:3999")
    assert run.exit_code == 4
    assert "that needs a password (FLOWHEALTH_WEB_PASSWORD) and TLS" in run.text


def test_a_port_that_is_taken_is_a_usage_error_that_names_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = run_pytest(tmp_path, "--health-dashboard", str(taken.getsockname()[1]))
    assert run.exit_code == 4
    assert "name another port, as in --health-dashboard 3002" in run.err


def test_a_password_from_a_pipe_is_hashed(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "pytest", "--health-hash"]
    done = subprocess.run(
        argv,
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        input="geheim\n",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert require_passwords().agrees(done.stdout.strip(), "geheim")
    assert not require_passwords().agrees(done.stdout.strip(), "Geheim")

"""`flowhealth monitor --web` and `flowhealth hash-password` as they are typed."""

import socket
from pathlib import Path

from pytest_flowhealth.web.passwords import require_passwords
from tests.kit.runs import run_flowhealth


def test_an_address_that_cannot_be_served_is_a_usage_error(tmp_path: Path) -> None:
    run = run_flowhealth(tmp_path, "monitor", "--web", "0.0.0.0:3999")
    assert run.exit_code == 4
    assert "that needs a password (FLOWHEALTH_WEB_PASSWORD) and TLS" in run.text


def test_a_port_that_is_taken_is_a_usage_error_that_names_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = run_flowhealth(tmp_path, "monitor", "--web", str(taken.getsockname()[1]))
    assert run.exit_code == 4
    assert "name another port, as in --web 3002" in run.err


def test_a_password_from_a_pipe_is_hashed(tmp_path: Path) -> None:
    done = run_flowhealth(tmp_path, "hash-password", input="geheim\n")
    assert done.exit_code == 0, done.err
    assert require_passwords().verify(done.out.strip(), "geheim")
    assert not require_passwords().verify(done.out.strip(), "Geheim")

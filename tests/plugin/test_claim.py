"""The report is claimed before anything can end the run, and never at the cost of another file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugin.conftest import Health

GOOD = '@pytest.mark.health("app")\ndef test_good(): pass\n'
OLD = {".flowhealth/report.json": '{"health": {"status": "healthy"}}'}


def _status(folder: Path) -> str:
    report = json.loads((folder / ".flowhealth/report.json").read_text())
    return str(report["health"]["status"])


@pytest.mark.parametrize(
    "option",
    [
        ("--health-allow=unhealthy",),
        ("--no-such-option",),
        ("--health-retry", "soon"),
        ("--health-threshold",),
    ],
)
def test_an_option_that_pytest_refuses_leaves_no_old_report(
    run: Health, tmp_path: Path, option: tuple[str, ...]
) -> None:
    result = run(GOOD, *option, files=OLD)
    assert result.exit_code == 4
    assert _status(tmp_path) == "unknown"


def test_a_setting_that_pytest_refuses_leaves_no_old_report(run: Health, tmp_path: Path) -> None:
    result = run(GOOD, files=OLD | {"pytest.ini": "[pytest]\nrequired_plugins = nothere\n"})
    assert result.exit_code == 4
    assert _status(tmp_path) == "unknown"


@pytest.mark.parametrize(
    ("conftest", "said"),
    [
        ("def (", "SyntaxError"),
        ("import nothere", "No module named 'nothere'"),
        ("raise RuntimeError('\\x1b[31mred')", "RuntimeError: \\x1b[31mred"),
        ("raise SystemExit(0)", "ended the process with exit code 0"),
        ("def pytest_addoption(parser): parser.addoption('--health')", "--health"),
        ("def pytest_cmdline_main(config): return 0", "nothing was run"),
    ],
)
def test_a_conftest_that_cannot_be_used_is_the_reason(
    run: Health, conftest: str, said: str
) -> None:
    result = run(GOOD, files=OLD | {"conftest.py": conftest})
    assert result.exit_code == 3
    assert said in result.err
    assert said in result.health["reasons"][0]
    assert "Traceback" not in result.err + result.out
    assert "\x1b" not in result.err + result.out


def test_a_process_that_is_ended_says_so(run: Health) -> None:
    result = run(GOOD, files={"conftest.py": "import os; os._exit(0)"})
    assert result.exit_code == 3
    assert "os._exit(0) ended pytest" in result.err


def test_a_file_that_is_no_report_is_left_alone(run: Health, tmp_path: Path) -> None:
    precious = tmp_path / "precious.json"
    precious.write_text('{"mine": 1}')
    result = run(GOOD, "--health-report=precious.json")
    assert result.exit_code == 4
    assert "is no report" in result.err
    assert precious.read_text() == '{"mine": 1}'


@pytest.mark.parametrize("content", ["", "\n", '{"created": 1.0, "tests": []}'])
def test_an_empty_file_or_a_report_is_replaced(run: Health, content: str) -> None:
    result = run(GOOD, "--health-report=out.json", files={"out.json": content}, report="out.json")
    assert result.exit_code == 0
    assert result.health["status"] == "healthy"


def test_a_pipe_is_left_alone(run: Health, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = run(GOOD, "--health-report=pipe", report="none")
    assert result.exit_code == 4
    assert "no regular file" in result.err
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("arguments", "code"), [((), 0), (("--health-report", "-"), 3), (("-q", "-q"), 0)]
)
def test_a_full_standard_output(tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
    (tmp_path / "test_checks.py").write_text(f"import pytest\n{GOOD}")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--health", "test_checks.py", *arguments],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == code, done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr

"""The agent's modules, tested with Node's own runner (agent/*.test.mjs)."""

import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).with_name("agent")


@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
def test_the_agents_own_tests_pass() -> None:
    files = sorted(map(str, TESTS.glob("*.test.mjs")))
    done = subprocess.run(["node", "--test", *files], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]

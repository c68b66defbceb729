"""How many steps lead from the end of pytest's session to the exit code."""

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[3] / "benchmarks" / "run_path.py"
MOST = 20


def test_a_result_passes_through_few_functions_to_the_exit_code() -> None:
    command = [sys.executable, str(PROGRAM)]
    process = subprocess.run(command, capture_output=True, text=True, check=True)

    *steps, count = process.stdout.splitlines()
    assert steps[-1].endswith("pytest_cmdline_main")
    assert int(count.split()[0]) == len(steps) <= MOST

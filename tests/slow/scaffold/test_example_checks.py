"""The example checks are as tidy as our own."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.kit.scaffold import TEMPLATES


def test_every_example_check_passes_ruff_and_mypy(tmp_path: Path) -> None:
    files = [f"{source.name.removesuffix('.py.txt')}.py" for source in TEMPLATES.glob("*.py.txt")]
    assert len(files) == 4
    for name in files:
        shutil.copy(TEMPLATES / f"{name}.txt", tmp_path / name)
    ruff = [sys.executable, "-m", "ruff"]
    isolated = ["--isolated", "--line-length=100", "."]
    subprocess.run([*ruff, "check", "--select=E,F,B,UP", *isolated], cwd=tmp_path, check=True)
    subprocess.run([*ruff, "format", "--check", *isolated], cwd=tmp_path, check=True)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=", *files]
    done = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

"""The steps of the CI matrix in examples/, run as GitHub would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.scaffold.test_postinstall import EXAMPLES, QUIET, job
from tests.kit.runs import environment


def run_steps(name: str, folder: Path, env: dict[str, str]) -> None:
    for step in job(name)["steps"]:
        if "run" not in step or "pip install" in step["run"]:
            continue
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=folder / step.get("working-directory", "."),
            env=env, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{step['run']}\n{done.stdout}{done.stderr}"


def test_the_steps_of_the_matrix_check_the_installed_package(tmp_path: Path) -> None:
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    package, machine = tmp_path / "package", tmp_path / "machine"
    shutil.copytree(
        EXAMPLES / "postinstall", package, ignore=shutil.ignore_patterns("node_modules")
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = environment({"PATH": path, "CI": "true", "PACKAGE": "greet", **QUIET})
    run_steps("pack", package, env)
    machine.mkdir()
    shutil.copytree(package / "packed", machine / "packed")
    run_steps("install", machine, env)

    first = json.loads((machine / "empty/.flowhealth/report.json").read_text())["health"]
    second = json.loads((machine / "empty/package-report.json").read_text())["health"]
    outcomes = {one["id"]: one["outcome"] for one in first["checks"]}
    assert outcomes["package.dependencies"] == "pass"
    assert first["target"]["name"] == "empty"
    assert second["target"]["name"] == "greet"
    assert {one["id"]: one["outcome"] for one in second["checks"]}["build.artifacts"] == "pass"

"""Five unlike projects, installed, built and broken; and the CI jobs, run as GitHub runs them."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_flowhealth.scaffold.plan import WORKFLOW
from tests.integration.scaffold.test_postinstall import EXAMPLES, QUIET, job
from tests.integration.scaffold.test_projects import CALM_SYSTEM, LIMITS, NPMRC
from tests.kit.projects import npm
from tests.kit.projects import write as write_files
from tests.kit.registry import RegistryFront
from tests.kit.runs import environment, run_flowhealth, run_pytest
from tests.kit.scaffold import PROJECTS

pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
ENTRIES = {
    "plain": "index.js",
    "typescript": "dist/index.js",
    "workspaces": "packages/two/two.mjs",
    "esm": "src/index.js",
}


@pytest.mark.parametrize("name", PROJECTS)
def test_an_installed_project_is_healthy_until_it_is_broken(
    tmp_path: Path, registry: RegistryFront, npm_cache: Path, name: str
) -> None:
    project = write_files(tmp_path / "app", PROJECTS[name])
    (project / ".npmrc").write_text(NPMRC)
    npm(project, "install")
    npm(project, "run", "build", "--if-present")
    assert run_flowhealth(project, "init", "--write").exit_code == 0
    npm(project, "pkg", "get", "scripts")

    env = {"npm_config_cache": str(npm_cache), **registry.environment}
    limits = [
        f"--health-threshold={limit}"
        for limit in (
            *(LIMITS if name in ENTRIES else CALM_SYSTEM),
            "dependencies.outdated_major=99:",
        )
    ]
    whole = run_pytest(project, "--health", *limits, env=env)
    assert whole.exit_code == 0, whole.text
    if name == "plain":
        run_scripts_and_job(project, env)
    if name not in ENTRIES:  # its own check asks a server
        return
    assert whole.outcomes["app.load"] == "pass"

    (project / ENTRIES[name]).write_bytes(b"throw new Error('the sky fell');\n")
    broken = run_pytest(project, "--health", "health/", env=env)
    assert broken.exit_code == 2
    assert "the sky fell" in broken.check("app.load")["message"]


def run_scripts_and_job(project: Path, env: dict[str, str]) -> None:
    """Run what `flowhealth init` wrote: the steps of the CI job, and a script of package.json."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    typed = environment({**env, "PATH": path, "FLOWHEALTH_THRESHOLDS": ",".join(CALM_SYSTEM)})
    steps = yaml.safe_load((project / WORKFLOW).read_text())["jobs"]["health"]["steps"]
    steps = [step for step in steps if "pip install" not in step.get("run", "pip install")]
    assert steps[0]["run"].startswith("npm ")
    if "github" not in {entry.name for entry in entry_points(group="pytest_flowhealth.formats")}:
        steps.pop()
    run_steps([*steps[1:], {"run": "npm run monitor:performance"}], project, typed)
    assert (project / ".flowhealth/history.db").is_file()


def run_steps(steps: list[dict[str, Any]], folder: Path, env: dict[str, str]) -> None:
    """Run the commands of a job's steps as GitHub does."""
    for step in steps:
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=folder / step.get("working-directory", "."),
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{step['run']}\n{done.stdout}{done.stderr}"


def test_the_steps_of_the_example_matrix_check_the_installed_package(tmp_path: Path) -> None:
    package, machine = tmp_path / "package", tmp_path / "machine"
    ignored = shutil.ignore_patterns("node_modules")
    shutil.copytree(EXAMPLES / "postinstall", package, ignore=ignored)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = environment({"PATH": path, "CI": "true", "PACKAGE": "greet", **QUIET})
    for name, folder in (("pack", package), ("install", machine)):
        steps = job(name)["steps"]
        commands = [step for step in steps if "pip install" not in step.get("run", "pip install")]
        run_steps(commands, folder, env)
        if name == "pack":
            shutil.copytree(package / "packed", machine / "packed")

    first = json.loads((machine / "empty/.flowhealth/report.json").read_text())["health"]
    second = json.loads((machine / "empty/package-report.json").read_text())["health"]
    outcomes = [
        {each["id"]: each["outcome"] for each in found["checks"]} for found in (first, second)
    ]
    assert outcomes[0]["package.dependencies"] == "pass"
    assert first["target"]["name"] == "empty"
    assert second["target"]["name"] == "greet"
    assert outcomes[1]["build.artifacts"] == "pass"

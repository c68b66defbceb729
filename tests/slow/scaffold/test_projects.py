"""Five unlike projects, really installed and built: healthy after `--health-init`, and told when broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

from pytest_flowhealth.feedback.scaffold.plan import WORKFLOW
from tests.integration.scaffold.test_projects import CALM_SYSTEM, LIMITS, NPMRC
from tests.kit.registry import RegistryFront
from tests.kit.runs import environment, run_pytest
from tests.kit.scaffold import PROJECTS, make_project

ENTRIES = {
    "plain": "index.js",
    "typescript": "dist/index.js",
    "workspaces": "packages/two/two.mjs",
    "esm": "src/index.js",
}


@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
@pytest.mark.parametrize("name", PROJECTS)
def test_an_installed_project_is_healthy_until_it_is_broken(
    tmp_path: Path, registry: RegistryFront, npm_cache: Path, name: str
) -> None:
    project = write_files(tmp_path / "app", PROJECTS[name])
    (project / ".npmrc").write_text(NPMRC)
    for command in (["npm", "install"], ["npm", "run", "build", "--if-present"]):
        subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=300)
    assert run_pytest(project, "--health-init=write").exit_code == 0
    subprocess.run(["npm", "pkg", "get", "scripts"], cwd=project, check=True, capture_output=True)

    env = {"npm_config_cache": str(npm_cache), **registry.environment}
    limits = [
        f"--health-threshold={limit}" for limit in (LIMITS if name in ENTRIES else CALM_SYSTEM)
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
    """Run what `--health-init` wrote: the steps of the CI job, and a script of package.json."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    typed = environment({**env, "PATH": path, "FLOWHEALTH_THRESHOLDS": ",".join(CALM_SYSTEM)})
    steps = yaml.safe_load((project / WORKFLOW).read_text())["jobs"]["health"]["steps"]
    commands = [
        step["run"] for step in steps if "pip install" not in step.get("run", "pip install")
    ]
    assert commands[0].startswith("npm ")
    if "github" not in {entry.name for entry in entry_points(group="pytest_flowhealth.formats")}:
        commands.pop()
    for command in (*commands[1:], "npm run monitor:performance"):
        done = subprocess.run(
            ["bash", "-e", "-c", command],
            cwd=project,
            env=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert (project / ".flowhealth/history.db").is_file()

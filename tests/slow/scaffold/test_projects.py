"""Five unlike projects, really installed and built: healthy after `--health-init`, and told when broken."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.scaffold.test_projects import LIMITS, NPMRC
from tests.kit.registry import RegistryFront
from tests.kit.runs import run_pytest
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
    project = make_project(tmp_path / "app", name)
    (project / ".npmrc").write_text(NPMRC)
    for command in (["npm", "install"], ["npm", "run", "build", "--if-present"]):
        subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=300)
    assert run_pytest(project, "--health-init=write").exit_code == 0
    subprocess.run(["npm", "pkg", "get", "scripts"], cwd=project, check=True, capture_output=True)

    env = {"npm_config_cache": str(npm_cache), **registry.environment}
    limits = [f"--health-threshold={limit}" for limit in LIMITS]
    whole = run_pytest(project, "--health", *limits, env=env)
    assert whole.exit_code == 0, whole.text
    if name not in ENTRIES:  # its own check asks a server
        return
    assert whole.outcomes["app.load"] == "pass"

    (project / ENTRIES[name]).write_bytes(b"throw new Error('the sky fell');\n")
    broken = run_pytest(project, "--health", "health/", env=env)
    assert broken.exit_code == 2
    assert "the sky fell" in broken.check("app.load")["message"]

"""The step of the GitHub action that installs: it makes an environment with pip."""

import subprocess
from pathlib import Path

from tests.integration.formats.test_ci import find_step, make_wheel, run_shell


def test_the_action_installs_into_an_environment_of_its_own(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    variables = {"REQUIREMENT": str(wheel), "RUNNER_TEMP": str(tmp_path / "temp folder")}
    step = run_shell(find_step("install")["run"], tmp_path, variables)

    assert step.exit_code == 0, step.text
    folder = Path((tmp_path / "github-path").read_text().rstrip("\n"))
    argv = [str(folder / "python"), "-c", "import theirs"]
    assert subprocess.run(argv, check=False).returncode == 0

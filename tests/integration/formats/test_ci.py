"""The shell parts of the GitHub action and of the GitLab job, run as the runners run them."""

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.kit.readers import READERS, commands
from tests.kit.reports import EVERY
from tests.kit.runs import environment

ROOT = Path(__file__).parents[3]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
GITLAB: dict[str, Any] = yaml.safe_load((ROOT / "examples/ci/gitlab.yml").read_text())["health"]
CHECK = """import pytest
@pytest.mark.health("app")
def test_own(health):
    {body}
"""
ONLY = "--health-component=app"


class Step(NamedTuple):
    exit_code: int
    text: str
    outputs: dict[str, str]


def make_project(folder: Path, body: str, settings: str = "") -> Path:
    files = {
        "package.json": '{"name": "shop", "version": "1.0.0"}',
        "flowhealth.toml": 'checks = ["health/"]\n',
        "health/test_own.py": CHECK.format(body=body),
        "pytest.ini": f"[pytest]\n{settings}",
        ".flowhealth/report.json": '{"health": {"status": "healthy"}}',
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def run_shell(script: str, folder: Path, variables: Mapping[str, str]) -> Step:
    """Run a step as GitHub's runner runs one with `shell: bash`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    outputs = folder / "github-output"
    outputs.touch()
    files = {"GITHUB_OUTPUT": str(outputs), "GITHUB_PATH": str(folder / "github-path")}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=environment({"PATH": path, **files, **variables}),
        capture_output=True,
        text=True,
        check=False,
    )
    pairs = [line.partition("=") for line in outputs.read_text().splitlines()]
    return Step(done.returncode, done.stdout + done.stderr, {key: value for key, _, value in pairs})


def find_step(name: str) -> dict[str, Any]:
    step: dict[str, Any] = next(each for each in ACTION["runs"]["steps"] if each["id"] == name)
    return step


def run_action(folder: Path, **inputs: str) -> Step:
    """Run the action's check with its inputs, as the `env` of the step maps them."""
    step = find_step("check")
    defaults = {name: rules["default"] for name, rules in ACTION["inputs"].items()}
    given = {**defaults, **{name.replace("_", "-"): text for name, text in inputs.items()}}
    variables = {
        name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: given[match[1]], text)
        for name, text in step["env"].items()
    }
    return run_shell(step["run"], folder, variables)


@pytest.mark.parametrize(
    ("body", "settings", "status", "code"),
    [
        ("pass", "", "healthy", 0),
        ("health.warn('slow')", "", "degraded", 1),
        ("raise ValueError('down')", "", "unhealthy", 2),
        ("import os; os._exit(0)", "", "unknown", 3),
        ("pass", "minversion = 999\n", "unknown", None),
    ],
    ids=["healthy", "degraded", "unhealthy", "killed", "pytest.ini ends pytest"],
)
def test_the_action_ends_with_the_status_of_this_run(
    tmp_path: Path, body: str, settings: str, status: str, code: int | None
) -> None:
    step = run_action(make_project(tmp_path, body, settings), options=f"{ONLY}\n\n--tb=short\n")

    assert step.outputs["status"] == status, step.text
    assert step.outputs["exit-code"] == str(step.exit_code)
    assert step.exit_code == code if code is not None else step.exit_code in (3, 4)
    assert step.outputs["report"] == "./.flowhealth/report.json"
    if status == "unhealthy":
        shown = [line for line in step.text.splitlines() if line.startswith("::")]
        assert next(commands("\n".join(shown))).properties["title"] == "fail: app.own"


def test_the_action_checks_a_project_in_a_folder_and_allows_degraded(tmp_path: Path) -> None:
    make_project(tmp_path / "my app; touch x", "health.warn('slow')")
    step = run_action(
        tmp_path,
        project="my app; touch x",
        allow_degraded="true",
        options=ONLY,
    )

    assert (step.exit_code, step.outputs["status"]) == (0, "degraded"), step.text
    assert not (tmp_path / "x").exists()


def test_an_option_of_the_action_is_one_word_that_no_shell_reads(tmp_path: Path) -> None:
    step = run_action(make_project(tmp_path, "pass"), options=f"{ONLY}\n-k\nown and not $(touch x)")

    assert step.exit_code != 0
    assert not (tmp_path / "x").exists()


def make_wheel(folder: Path) -> Path:
    """Write the smallest wheel that pip installs."""
    wheel = folder / "theirs-1-py3-none-any.whl"
    names = {
        "theirs.py": "",
        "theirs-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: theirs\nVersion: 1\n",
        "theirs-1.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "theirs-1.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in names.items():
            archive.writestr(name, text)
    return wheel


def test_the_action_declares_what_its_steps_use() -> None:
    text = (ROOT / "action.yml").read_text()
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(ACTION["inputs"])
    assert all(step["shell"] == "bash" for step in ACTION["runs"]["steps"])
    documented = (ROOT / "docs/ci.md").read_text()
    for name in (*ACTION["inputs"], *ACTION["outputs"]):
        assert f"`{name}`" in documented


@pytest.mark.parametrize(
    ("body", "settings", "codes"),
    [
        ("health.warn('slow')", "", {1}),
        ("raise ValueError('down')", "", {2}),
        ("pass", "minversion = 999\n", {3, 4}),
    ],
    ids=["degraded", "unhealthy", "pytest.ini ends pytest"],
)
def test_the_gitlab_job_ends_with_the_status_of_this_run(
    tmp_path: Path, body: str, settings: str, codes: set[int]
) -> None:
    project = make_project(tmp_path, body, settings)
    step = run_shell("\n".join(GITLAB["script"]), project, {"OPTIONS": ONLY})

    assert step.exit_code in codes, step.text
    file = tmp_path / GITLAB["artifacts"]["reports"]["junit"]
    if not settings:
        status = {1: "degraded", 2: "unhealthy"}[step.exit_code]
        assert READERS["junit"](file.read_text(), EVERY).status == status
    assert GITLAB["allow_failure"]["exit_codes"] == 1

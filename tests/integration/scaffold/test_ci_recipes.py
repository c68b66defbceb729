"""The shell parts of the CI recipes: an old report never stands for a run, and no report is unknown."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_flowhealth.scaffold.plan import WORKFLOW, plan
from tests.integration.scaffold.test_postinstall import job
from tests.kit.runs import environment

DOCS = Path(__file__).parents[3] / "docs"
CHECK = "import pytest\n@pytest.mark.health('system')\ndef test_own():\n    {body}\n"
GREEN = json.dumps({"health": {"status": "healthy"}})
CALM = ",".join(
    ("system.cpu=1000:", "system.load=1000:", "system.memory=99.5:99.9", "system.disk=99.5:99.9")
)


def read_docs(page: str, heading: str, language: str) -> str:
    text = (DOCS / page).read_text().partition(heading)[2]
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def recipes(folder: Path) -> dict[str, str]:
    """Return the commands of each recipe."""
    (folder / "package.json").write_text('{"name": "shop", "version": "1.0.0"}')
    files = {change.path: change.after.decode() for change in plan(folder).changes}
    steps: list[dict[str, Any]] = yaml.safe_load(files[WORKFLOW])["jobs"]["health"]["steps"]
    gitlab = yaml.safe_load(read_docs("outputs.md", "## junit", "yaml"))["health"]["script"]
    return {
        "the job of init": next(one["run"] for one in steps if "rm -f" in one.get("run", "")),
        "the example matrix": next(
            one["run"]
            for one in job("install")["steps"]
            if "component package" in one.get("run", "")
        ),
        "docs/exit-codes.md": read_docs("exit-codes.md", "## The report of an earlier", "bash"),
        "docs/outputs.md, GitHub": yaml.safe_load(read_docs("outputs.md", "## github", "yaml"))[0][
            "run"
        ],
        "docs/outputs.md, GitLab": "\n".join(gitlab),
    }


RECIPES = (
    "the job of init",
    "the example matrix",
    "docs/exit-codes.md",
    "docs/outputs.md, GitHub",
    "docs/outputs.md, GitLab",
)


def run_recipe(folder: Path, name: str, body: str | None) -> int:
    """Run a recipe beside a green report of an earlier run; return its exit code.

    Without a `body` of the check, pytest is a program that ends with 0 and does nothing.
    """
    project = folder / "project"
    for path, text in {
        "health/test_own.py": CHECK.format(body=body),
        "../bin/pytest": "#!/bin/sh\n",
        "flowhealth.toml": 'checks = ["health/"]\n',
        "pytest.ini": "[pytest]\n",
        ".flowhealth/report.json": GREEN,
    }.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    command = recipes(project)[name]
    # Only the system's components: the others need npm, and have tests of their own.
    only = "--health-component system"
    command = re.sub(r"--health-component \w+\b", "", command).replace(
        "--health ", f"--health {only} ", 1
    )
    (folder / "bin/pytest").chmod(0o755)
    programs = folder / "bin" if body is None else Path(sys.executable).parent
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    env = {"PATH": path, "FLOWHEALTH_THRESHOLDS": CALM}
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", command],
        cwd=project,
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    report = project / ".flowhealth/report.json"
    assert not report.exists() or report.read_text() != GREEN, done.stdout + done.stderr
    return done.returncode


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize(
    ("body", "code"),
    [("pass", 0), ("raise ValueError('down')", 2), (None, 3)],
    ids=["healthy", "unhealthy", "a pytest that does nothing"],
)
def test_a_recipe_ends_with_the_verdict_or_that_there_is_none(
    tmp_path: Path, name: str, body: str | None, code: int
) -> None:
    assert run_recipe(tmp_path, name, body) == code


def test_every_recipe_is_tried(tmp_path: Path) -> None:
    assert tuple(recipes(tmp_path)) == RECIPES

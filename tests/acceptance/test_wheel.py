"""The wheel, in an environment of its own, in a folder that is not ours."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEMPLATES = (
    *("checks/server.py", "checks/library.py", "checks/command.py", "checks/scripts.py"),
    *("github/bug_report.yml", "github/feature_request.yml", "github/installation_issue.yml"),
    *("github/health.yml", "flowhealth.service"),
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)],
        check=True, timeout=300,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


def test_it_carries_the_checks_and_the_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    for name in (
        "pytest_flowhealth/checks/test_redis.py",
        "pytest_flowhealth/examples/app/package.json",
        "pytest_flowhealth/domain/report.schema.json",
        "pytest_flowhealth/config/presets/claude-flow-novice.toml",
        "pytest_flowhealth/probes/js/load.mjs",
        *(f"pytest_flowhealth/feedback/scaffold/templates/{name}.txt" for name in TEMPLATES),
        "pytest_flowhealth/py.typed",
    ):
        assert name in names
    assert not [
        name for name in names if "node_modules" in name or name.startswith(("checks/", "tests/"))
    ]


def test_it_runs_in_a_foreign_folder(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True, timeout=120)
    python = environment / "bin/python"
    subprocess.run([str(python), "-m", "pip", "install", "-q", str(wheel)], check=True, timeout=300)
    target = tmp_path / "app"
    target.mkdir()
    (target / "package.json").write_text('{"name": "foreign", "version": "1.0.0"}')

    done = subprocess.run(
        [str(python), "-m", "pytest", "--health"],
        cwd=target,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode in (0, 1), done.stdout + done.stderr
    words = [str(python), "-m", "pytest", "--health-init=write"]
    subprocess.run(words, cwd=target, check=True, capture_output=True, timeout=60)
    assert (target / "health/test_app.py").is_file()
    health = json.loads((target / ".flowhealth/report.json").read_text())["health"]
    assert health["target"]["name"] == "foreign"
    assert set(health["components"]) == {
        "system",
        "package",
        "redis",
        "build",
        "dependencies",
        "configuration",
    }

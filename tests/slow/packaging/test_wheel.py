"""What the wheel contains, and a run of it. `.ci/run` installs it in an environment of its own too."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEMPLATES = (
    *("checks/server.py", "checks/library.py", "checks/command.py", "checks/scripts.py"),
    *("github/bug_report.yml", "github/feature_request.yml", "github/installation_issue.yml"),
    *("github/health.yml", "flowhealth.service"),
)
CONTENTS = (
    "pytest_flowhealth/checks/test_redis.py",
    "pytest_flowhealth/examples/app/package.json",
    "pytest_flowhealth/domain/report.schema.json",
    "pytest_flowhealth/config/flowhealth.schema.json",
    "pytest_flowhealth/config/presets/claude-flow-novice.toml",
    "pytest_flowhealth/probes/project/agent/agent.mjs",
    *(f"pytest_flowhealth/scaffold/templates/{name}.txt" for name in TEMPLATES),
    "pytest_flowhealth/py.typed",
)
CHECK = "import pytest\n@pytest.mark.health('app')\ndef test_up(): pass\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)],
        check=True,
        timeout=300,
    )
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_contains_the_checks_and_the_data_and_nothing_else(
    wheel: zipfile.ZipFile,
) -> None:
    names = set(wheel.namelist())

    assert set(CONTENTS) <= names
    assert not [name for name in names if "node_modules" in name]
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "pytest_flowhealth",
        "pytest_flowhealth_startup.pth",
    }


def test_an_installed_wheel_guards_a_health_run_from_its_start(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv")
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    wheel.extractall(packages)
    (packages / "requirements.pth").write_text(sysconfig.get_path("purelib"))
    project = tmp_path / "project"
    (project / "site").mkdir(parents=True)
    (project / "package.json").write_text('{"name": "app"}')
    (project / "test_app.py").write_text(CHECK)
    (project / "site/other.py").write_text("def pytest_addoption(parser): 1 / 0\n")

    def run(*options: str) -> int:
        python = str(tmp_path / "venv/bin/python")
        command = [python, "-W", "error", "-m", "pytest", "--health", "test_app.py", *options]
        return subprocess.run(command, cwd=project, timeout=120, check=False).returncode

    assert run() == 0
    report = project / ".flowhealth/report.json"
    assert '"status": "healthy"' in report.read_text()
    assert run("-o", "pythonpath=site", "-p", "other") in (3, 4)
    assert '"status": "unknown"' in report.read_text()

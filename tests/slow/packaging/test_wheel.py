"""What the wheel contains. `.ci/run` installs it in an environment of its own and runs it there."""

import subprocess
import sys
import zipfile
from pathlib import Path

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
    "pytest_flowhealth/config/presets/claude-flow-novice.toml",
    "pytest_flowhealth/probes/js/load.mjs",
    *(f"pytest_flowhealth/feedback/scaffold/templates/{name}.txt" for name in TEMPLATES),
    "pytest_flowhealth/py.typed",
)


def test_the_wheel_contains_the_checks_and_the_data_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        timeout=300,
    )
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())

    assert set(CONTENTS) <= names
    assert not [name for name in names if "node_modules" in name]
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"pytest_flowhealth"}

"""What the registry tells of vulnerabilities, and what it fails to tell."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.kit.app import App
from tests.kit.registry import SEVERITIES, RegistryFront
from tests.kit.runs import RunHealth

ONLY = ("--health-component", "dependencies")


@pytest.mark.parametrize(("severity", "code"), [("critical", 2), ("high", 2), ("moderate", 1)])
def test_advisory(app: App, run_health: RunHealth, severity: str, code: int) -> None:
    with RegistryFront(audit={"express": [severity]}) as front:
        run = run_health(app, env=front.environment)

    run.assert_fault("dependencies.vulnerabilities", code, severity)
    check = run.check("dependencies.vulnerabilities")
    assert {one["name"]: one["value"] for one in check["measurements"]}[severity] >= 1
    assert any("express" in text for text in check["details"]["packages"])


def test_low_advisory(app: App, run_health: RunHealth) -> None:
    with RegistryFront(audit={"express": ["low"]}) as front:
        run = run_health(app, *ONLY, env=front.environment)

    run.assert_healthy()


def test_advisories_of_all_severities(app: App, run_health: RunHealth) -> None:
    given = {"express": ["low", "moderate"], "redis": ["critical"], "body-parser": ["high"]}
    with RegistryFront(audit=given) as front:
        run = run_health(app, *ONLY, env=front.environment)

    run.assert_fault("dependencies.vulnerabilities", 2, "critical")


@pytest.mark.parametrize(
    "how", ["405", "404", "401", "500", "503", "cut", "error", "garbage", "nothing", "html"]
)
def test_no_answer(app: App, run_health: RunHealth, how: str) -> None:
    """Known is nothing, so it is not healthy; but not the application's fault either."""
    with RegistryFront(audit=how) as front:
        run = run_health(app, *ONLY, env=front.environment)

    run.assert_fault("dependencies.audit", 1, blocked=("dependencies.vulnerabilities",))
    assert run.outcomes["dependencies.audit"] == "unknown"


@pytest.mark.parametrize("how", ["null", "list", "text"])
def test_answer_that_tells_nothing(app: App, run_health: RunHealth, how: str) -> None:
    """An empty answer is what a registry gives that has no advisories, ever."""
    with RegistryFront(audit=how) as front:
        run = run_health(app, *ONLY, env=front.environment)

    run.assert_fault("dependencies.audit", 1, blocked=("dependencies.vulnerabilities",))


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_late(app: App, run_health: RunHealth, how: str) -> None:
    """Ends by the probe's own limit, and leaves the rest of the run as it was."""
    with RegistryFront(audit=how) as front:
        run = run_health(app, env=front.environment)

    run.assert_fault("dependencies.audit", 1, blocked=("dependencies.vulnerabilities",))
    assert run.status_of("redis") == "healthy"


def test_nobody_there(app: App, run_health: RunHealth) -> None:
    run = run_health(app, *ONLY, env={"npm_config_registry": "http://127.0.0.1:1/"})

    run.assert_fault("dependencies.audit", 1, blocked=("dependencies.vulnerabilities",))
    assert run.outcomes["dependencies.outdated"] == "unknown"


def test_major_behind(app: App, run_health: RunHealth) -> None:
    path = "node_modules/express/package.json"
    app.write(path, app.read(path).replace('"version": "5.', '"version": "4.'))

    run = run_health(app, *ONLY)

    run.assert_fault("dependencies.outdated", 1, "outdated_major 1")
    assert run.check("dependencies.outdated")["remedy"] == "npm install express@latest"


def test_major_behind_of_an_alias(app: App, run_health: RunHealth) -> None:
    names = json.loads(app.read("package.json"))["dependencies"]
    app.manifest(dependencies=names | {"odd": "npm:is-number@^6"})
    manifest = {"name": "is-number", "version": "6.0.0"}
    app.write("node_modules/odd/package.json", json.dumps(manifest))

    run = run_health(app, *ONLY)

    run.assert_fault("dependencies.outdated", 1, "outdated_major 1")
    assert run.check("dependencies.outdated")["remedy"] == "npm install odd@npm:is-number@latest"


def test_version_that_does_not_exist(app: App, run_health: RunHealth) -> None:
    names = json.loads(app.read("package.json"))["dependencies"]
    app.manifest(dependencies=names | {"express": "^99.0.0"})

    run = run_health(app, *ONLY)

    run.assert_fault("dependencies.outdated", 1, "express@^99.0.0")
    assert run.outcomes["dependencies.outdated"] == "unknown"
    assert run.check("dependencies.outdated")["remedy"] == "npm view express versions"


def test_an_npm_that_tells_nothing(app: App, run_health: RunHealth, tmp_path: Path) -> None:
    """An empty answer without a question is no answer."""
    told = {
        "auditReportVersion": 2,
        "vulnerabilities": {},
        "metadata": {"vulnerabilities": dict.fromkeys((*SEVERITIES, "total"), 0)},
    }
    program = tmp_path / "shim/npm"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\ncase $1 in\n"
        f"--version) exec {shutil.which('npm')} --version;;\n"
        f"audit) echo '{json.dumps(told)}';;\n*) echo '{{}}';;\nesac\n"
    )
    program.chmod(0o755)

    run = run_health(app, *ONLY, env={"PATH": f"{program.parent}:{os.environ['PATH']}"})

    run.assert_fault("dependencies.audit", 1, blocked=("dependencies.vulnerabilities",))
    assert run.outcomes["dependencies.audit"] == "unknown"
    assert run.outcomes["dependencies.outdated"] == "unknown"


def test_switched_off(app: App, run_health: RunHealth) -> None:
    app.configure("[dependencies]\naudit = false\noutdated = false\n")
    with RegistryFront(audit="500", get="500") as front:
        run = run_health(app, *ONLY, env=front.environment)

        assert front.asked == []
    run.assert_healthy()
    assert run.outcomes["dependencies.vulnerabilities"] == "skip"

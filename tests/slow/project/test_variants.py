"""Variants of faults that take long: programs that hang, other ways of installing, the real registry."""

import json
import subprocess
from pathlib import Path

import pytest

from pytest_flowhealth.probes import installed, npm
from pytest_flowhealth.probes.installed import Comparison
from tests.kit import projects
from tests.kit.app import App, copy
from tests.kit.processes import is_running
from tests.kit.projects import change, install_small, write_program
from tests.kit.registry import RegistryFront
from tests.kit.runs import RunHealth
from tests.kit.waiting import wait_for

MACHINE = {
    *("dependencies.audit", "dependencies.outdated"),
    *("system.cpu", "system.load", "system.memory", "system.disk"),
    *("redis.connect", "redis.command", "redis.throughput", "redis.slowlog"),
}
"""Checks whose warning is the machine's load or the registry's affair, not the application's."""


def test_with_the_machine_and_the_registry_as_they_are_only_they_degrade(
    app: App, run_health: RunHealth
) -> None:
    env = {"npm_config_registry": None, "npm_config_cache": None}
    run = run_health(app, env=env, calm=False)

    causes = {reason.partition(":")[0] for reason in run.reasons}
    assert run.exit_code == (1 if causes else 0), run.text
    assert causes <= MACHINE, run.text


@pytest.mark.parametrize("name", ["npm", "node"])
def test_a_program_that_hangs_is_ended_with_its_children_and_named(
    app: App, run_health: RunHealth, tmp_path: Path, name: str
) -> None:
    note = tmp_path / "pids"
    script = f"echo $$ >> {note}; sleep 600 & echo $! >> {note}; exec sleep 600"
    path = write_program(tmp_path / "bin", name, script)

    run = run_health(app, "--health-component", "system", env={"PATH": path})

    assert run.exit_code in {2, 3}, run.text
    assert run.reasons[0].startswith(f"system.{name}: ")
    assert "gave no answer within" in run.check(f"system.{name}")["message"]
    ids = [int(line) for line in note.read_text().split()]
    assert len(ids) >= 2
    wait_for(lambda: not any(map(is_running, ids)))


def test_an_audit_endpoint_that_drips_leaves_the_rest_of_the_run_as_it_was(
    app: App, run_health: RunHealth
) -> None:
    with RegistryFront(audit="drip") as front:
        run = run_health(app, env=front.environment)

    run.assert_fault("dependencies.audit", 1, blocked=("dependencies.vulnerabilities",))
    assert run.status_of("redis") == "healthy"


def test_without_a_lock_file_the_remedy_removes_what_npm_would_leave_be(
    installed: App, tmp_path: Path, run_health: RunHealth
) -> None:
    app = copy(installed, tmp_path / "shop", linked=False)
    app.write("node_modules/iconv-lite/encodings/internal.js", "")
    app.remove("package-lock.json")
    cache = {"npm_config_cache": projects.npm(app.folder, "config", "get", "cache").strip()}
    package = ("--health-component", "package")

    remedy = run_health(app, *package, env=cache).check("package.files")["remedy"]

    assert remedy == "rm -r node_modules && npm install"
    subprocess.run(remedy, shell=True, cwd=app.folder, check=True, capture_output=True, timeout=300)
    run_health(app, *package, env=cache).assert_healthy()


def compare(root: Path) -> Comparison:
    return installed.compare(root / "node_modules", npm.cache(root))


@pytest.mark.parametrize("strategy", ["nested", "linked"])
def test_packages_that_are_installed_in_another_way_are_compared_too(
    tmp_path: Path, strategy: str
) -> None:
    install_small(tmp_path, f"--install-strategy={strategy}")

    found = compare(tmp_path)

    assert found.compared >= 4
    assert found == Comparison(found.compared)


def test_what_a_clean_install_for_production_left_out_is_not_compared(tmp_path: Path) -> None:
    install_small(tmp_path)
    named = json.loads((tmp_path / "package.json").read_text())["dependencies"]
    change(tmp_path, devDependencies={"debug": named.pop("debug")}, dependencies=named)
    projects.npm(tmp_path, "install")
    projects.npm(tmp_path, "ci", "--omit=dev")
    assert not (tmp_path / "node_modules/debug").exists()

    assert compare(tmp_path) == Comparison(3)

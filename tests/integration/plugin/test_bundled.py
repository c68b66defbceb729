"""The bundled checks are collected without a path, whatever the target's own pytest settings are."""

import shutil
from pathlib import Path

import pytest

from pytest_flowhealth.plugin.collection import bundled
from tests.kit.projects import write_program
from tests.kit.runs import RunChecks

QUICK = set(bundled.QUICK)
OWN = {
    "health/test_own.py": "import pytest\n@pytest.mark.health('own')\n"
    "def test_it(target):\n    assert target.name == 'app'\n",
    "flowhealth.toml": 'checks = ["health/"]\n',
}
SETTINGS = {
    "its own": {},
    "other patterns of names": {
        "pytest.ini": "[pytest]\npython_files = check_*.py\npython_functions = check_*\n"
        "python_classes = Check*\n"
    },
    "strict": {
        "pytest.ini": "[pytest]\naddopts = --strict-markers --strict-config\nfilterwarnings = error\n"
    },
    "another import mode": {"pytest.ini": "[pytest]\naddopts = --import-mode=append\n"},
    "other paths": {"pytest.ini": "[pytest]\ntestpaths = nowhere elsewhere\n"},
}


@pytest.mark.parametrize("case", SETTINGS)
def test_the_quick_components_are_collected_with_any_settings_of_the_target(
    run_checks: RunChecks, case: str
) -> None:
    same_name = {"test_system.py": "raise OSError('the same name as a bundled file')\n"}

    result = run_checks("", "--collect-only", path=(), files={**SETTINGS[case], **same_name})

    assert set(result.health["components"]) == QUICK, result.text
    assert not [reason for reason in result.reasons if "could not collect" in reason]


def test_the_checks_of_the_configuration_are_collected_too(run_checks: RunChecks) -> None:
    collected = run_checks("", "--collect-only", path=(), files=OWN)
    result = run_checks("", "--health-component", "own", path=(), files=OWN)

    assert set(collected.health["components"]) == {*QUICK, "own"}
    assert (result.exit_code, result.outcomes) == (0, {"own.it": "pass"})


def test_one_component_runs_with_what_it_requires_and_the_others_are_named(
    run_checks: RunChecks, tmp_path: Path
) -> None:
    (tmp_path / "src").mkdir()

    result = run_checks("", "--health-component", "system", path=(), cwd=tmp_path / "src")

    assert result.exit_code != 4
    assert "system" in result.health["components"]
    assert set(result.health["components"]) <= {"system", "package"}
    assert "redis" in result.health["not_asked"]
    assert result.health["target"]["path"] == str(tmp_path.resolve())


def test_bundled_checks_that_a_plugin_drops_are_a_reason(run_checks: RunChecks) -> None:
    plugin = (
        "import pytest\n@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_pycollect_makeitem(collector):\n"
        "    return [] if collector.path.name == 'test_redis.py' else None\n"
    )

    result = run_checks("", "-p", "drops", "--collect-only", path=(), files={"drops.py": plugin})

    assert "the bundled checks of redis were not collected" in result.reasons
    assert result.exit_code == 3


LOADED = """
import os, pathlib, sys
def pytest_unconfigure():
    pathlib.Path(os.environ["LOADED"]).write_text("\\n".join(sys.modules))
"""


def test_a_run_of_one_component_imports_nothing_of_the_others(
    run_checks: RunChecks, tmp_path: Path
) -> None:
    toml = '[thresholds]\n"redis.command.p95" = { warn = 1, fail = 2 }\n'
    files = {"loaded.py": LOADED, "flowhealth.toml": toml, "tsconfig.json": "{}"}

    result = run_checks(
        *("", "-p", "loaded", "--health-component", "configuration"),
        path=(),
        files=files,
        env={"LOADED": str(tmp_path / "loaded"), "PYTHONPATH": str(tmp_path)},
        fresh=True,
    )

    result.assert_healthy()
    loaded = set((tmp_path / "loaded").read_text().splitlines())
    checks = {name for name in loaded if name.startswith("pytest_flowhealth_checks.")}
    assert checks == {"pytest_flowhealth_checks.test_configuration"}
    assert not loaded & {"psutil", "redis", "requests", "sqlite3", "starlette", "jsonschema"}
    assert not [name for name in loaded if name.startswith("pytest_flowhealth.history")]


def test_requirements_in_other_bundled_files_are_collected(run_checks: RunChecks) -> None:
    own = "import pytest\n@pytest.mark.health('own', requires='redis.ping')\ndef test_it(): pass\n"
    files = {"flowhealth.toml": 'checks = ["health/"]\n', "health/test_own.py": own}

    build = run_checks("", "--co", "--health-component=build", path=(), files=files)
    mine = run_checks("", "--co", "--health-component=own", path=(), files=files)

    assert set(build.health["components"]) == {"build", "package", "system"}
    assert build.health["not_asked"][0] == "redis"
    assert set(mine.outcomes) == {"own.it", "redis.ping", "redis.connect"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--health-component", "redi"), "no component 'redi'; did you mean redis?"),
        (
            ("--health-component=system", "--health-threshold=wasm.multiplie=40:30"),
            "no threshold is called 'wasm.multiplie'; did you mean wasm.multiplier?",
        ),
    ],
)
def test_names_of_components_that_are_not_collected_are_known(
    run_checks: RunChecks, options: tuple[str, ...], words: str
) -> None:
    result = run_checks("", *options, path=())

    assert result.exit_code == 4
    assert words in result.err


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
@pytest.mark.parametrize(
    ("options", "starts"),
    [
        (("--health-component", "redis"), 0),
        (("--health-component", "configuration"), 1),
        (("--collect-only",), 0),
    ],
)
def test_node_is_started_once_and_only_for_checks_that_ask_it(
    run_checks: RunChecks, tmp_path: Path, options: tuple[str, ...], starts: int
) -> None:
    log = tmp_path / "started"
    log.touch()
    path = write_program(
        tmp_path / "bin", "node", f'echo "$PPID" >> {log}\nexec {shutil.which("node")} "$@"'
    )

    run_checks("", *options, path=(), env={"PATH": path})

    assert len(log.read_text().splitlines()) == starts

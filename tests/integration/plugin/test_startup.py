"""What ends pytest before the plugin is loaded: exit code 3 or 4, and no report of an earlier run."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.runs import RunChecks

GOOD = '@pytest.mark.health("app")\ndef test_good(): pass\n'
OLD = {".flowhealth/report.json": '{"health": {"status": "healthy"}}'}
LOADED_FIRST = "site/other-1.0.dist-info"

PLUGINS = {
    "a hook with an unknown argument": "def pytest_runtest_setup(item, no_such_argument): pass\n",
    "a missing module": "import no_such_module\n",
    "an option that fails": "def pytest_addoption(parser): 1 / 0\n",
    "sys.exit(0)": "import sys\nsys.exit(0)\n",
    "sys.exit(1)": "import sys\nsys.exit(1)\n",
    "Ctrl-C": "raise KeyboardInterrupt\n",
}


def make_plugin(source: str) -> dict[str, str]:
    """Return the files of a distribution in the folder `site` whose plugin is `source`."""
    return {
        **OLD,
        f"{LOADED_FIRST}/METADATA": "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n",
        f"{LOADED_FIRST}/entry_points.txt": "[pytest11]\nother = other_plugin\n",
        "site/other_plugin.py": source,
    }


@pytest.mark.parametrize("source", PLUGINS.values(), ids=PLUGINS.keys())
def test_another_plugin_that_ends_pytest_leaves_unknown(
    run_checks: RunChecks, tmp_path: Path, source: str
) -> None:
    env = {"PYTHONPATH": str(tmp_path / "site")}

    result = run_checks(GOOD, files=make_plugin(source), env=env, fresh=True, unguarded=True)

    assert result.exit_code in (3, 4), result.text
    assert result.health["status"] == "unknown"
    assert result.health["exit_code"] == result.exit_code
    assert result.reasons[0].startswith("pytest ended before pytest-flowhealth was loaded")
    assert result.reasons[0] in result.err


@pytest.mark.parametrize(
    "options",
    [
        ("-c", "nowhere.ini"),
        ("--rootdir", "nowhere"),
        ("-W", "no::such::filter"),
        ("-p", "no_such_plugin"),
        ("-p", "no:flowhealth"),
        ("-o", "minversion=99"),
    ],
    ids=" ".join,
)
def test_an_option_that_ends_pytest_leaves_unknown(
    run_checks: RunChecks, options: tuple[str, ...]
) -> None:
    result = run_checks(GOOD, *options, files=OLD, fresh=True, unguarded=True)

    # pytest 9.0 ends with a traceback, which is 3, where later versions report a usage error, 4.
    assert result.exit_code in (3, 4), result.text
    assert (result.health["exit_code"], result.health["status"]) == (result.exit_code, "unknown")


def test_the_variable_for_options_counts_like_the_command_line(
    run_checks: RunChecks, tmp_path: Path
) -> None:
    files = make_plugin(PLUGINS["sys.exit(0)"])
    env = {"PYTHONPATH": str(tmp_path / "site"), "PYTEST_ADDOPTS": "--health"}

    result = run_checks(GOOD, health=False, files=files, env=env, fresh=True)

    assert (result.exit_code, result.health["status"]) == (4, "unknown")


@pytest.mark.parametrize("question", ["--version", "--help"])
def test_a_question_leaves_the_report(run_checks: RunChecks, question: str) -> None:
    result = run_checks(GOOD, question, files=OLD, fresh=True, report="none")

    assert result.exit_code == 0


def test_an_ordinary_run_that_a_plugin_ends_is_left_alone(
    run_checks: RunChecks, tmp_path: Path
) -> None:
    files = make_plugin(PLUGINS["sys.exit(0)"])
    env = {"PYTHONPATH": str(tmp_path / "site")}

    result = run_checks(GOOD, health=False, files=files, env=env, fresh=True, report="none")

    assert result.exit_code == 0
    assert (tmp_path / ".flowhealth/report.json").read_text() == OLD[".flowhealth/report.json"]


def test_a_run_whose_plugin_is_loaded_ends_with_its_verdict(run_checks: RunChecks) -> None:
    run_checks(GOOD, "-W", "error", files=OLD, fresh=True).assert_healthy()


@pytest.mark.parametrize("argument", ["", "--health"])
def test_other_programs_import_nothing(argument: str) -> None:
    loaded = "import sys; print([name for name in sys.modules if 'flowhealth' in name])"

    ended = subprocess.run(
        [sys.executable, "-c", loaded, *filter(None, [argument])],
        capture_output=True,
        text=True,
        check=True,
    )

    expected = ["pytest_flowhealth", "pytest_flowhealth.plugin", "pytest_flowhealth.plugin.startup"]
    assert ended.stdout.strip() == str(expected if argument else [])

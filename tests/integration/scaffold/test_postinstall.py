"""The post-install script of examples/: with a real `npm install`, and alone for each kind of fault."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.kit.projects import change, write, write_program
from tests.kit.runs import environment

EXAMPLES = Path(__file__).parents[3] / "examples"
QUIET = {
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
}
TOOLS = ("node", "npm", "sh", "sleep", "touch", "env", "cat", "head")
pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")


def package(folder: Path) -> Path:
    """Return a copy of the example package."""
    ignored = shutil.ignore_patterns("node_modules")
    return shutil.copytree(EXAMPLES / "postinstall", folder / "package", ignore=ignored)


def tools(folder: Path, stub: str | None) -> Path:
    """Return a folder for PATH where `pytest` is a shell script; None for no such program."""
    found = folder / "tools"
    found.mkdir()
    for name in TOOLS:
        (found / name).symlink_to(shutil.which(name) or name)
    if stub is not None:
        write_program(found, "pytest", stub)
    return found


def variables(folder: Path, stub: str | None, **env: str) -> dict[str, str]:
    """Return the environment of an installation; settings of whoever installs must not count."""
    (folder / "tmp").mkdir()
    return environment(
        {
            "PATH": str(tools(folder, stub)),
            "TMPDIR": str(folder / "tmp"),
            "CI": "",
            "DO_NOT_TRACK": "",
            "PYTEST_ADDOPTS": "--nonsense",
            **QUIET,
            **env,
        }
    )


def lines(output: str) -> list[str]:
    """Return the lines that the script printed."""
    return [line for line in output.splitlines() if line.startswith("greet: ")]


# -- a real installation


def install(folder: Path, prepare: Callable[[Path], object]) -> subprocess.CompletedProcess[str]:
    """Pack the example and install the archive in the empty folder `user`."""
    source, ini = package(folder), {"pytest.ini": "[pytest]\naddopts = --nonsense\n"}
    prepare(source)
    user = write(folder / "user", ini, name="user", private=True)
    stub = f'exec {sys.executable} -m pytest "$@"'
    env = variables(folder, stub, POSTINSTALL_SECONDS="120")
    subprocess.run(["npm", "pack", "--silent"], cwd=source, env=env, check=True, timeout=300)
    done = subprocess.run(
        ["npm", "install", "--foreground-scripts", *map(str, source.glob("*.tgz"))],
        cwd=user,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    assert [*(folder / "tmp").glob("flowhealth-*/*")] == []
    assert done.returncode == 0, done.stdout
    return done


def test_an_installed_package_is_checked(tmp_path: Path) -> None:
    done = install(tmp_path, lambda _: None)

    assert lines(done.stdout) == ["greet: installed, and healthy"]
    installed = tmp_path / "user/node_modules/greet"
    packed = {"index.js", "package.json", "verify-install.cjs"}
    assert {path.name for path in installed.iterdir()} == packed
    assert not (tmp_path / "user/.flowhealth").exists()


def test_a_broken_package_is_installed_and_its_fault_shown(tmp_path: Path) -> None:
    done = install(tmp_path, lambda folder: write(folder, {"index.js": "module.exports = ;\n"}))
    shown = lines(done.stdout)
    assert shown[0] == "greet: installed, but unhealthy"
    assert "build.syntax" in shown[1]


def test_a_script_that_was_not_packed_breaks_nothing(tmp_path: Path) -> None:
    done = install(tmp_path, lambda folder: change(folder, files=["index.js"]))
    assert lines(done.stdout) == []


# -- the script alone, as npm runs it


def run_script(folder: Path, stub: str | None, **env: str) -> list[str]:
    """Run the script as npm does; return what it printed."""
    source = package(folder)
    named = variables(folder, stub, npm_package_name="greet", **{"INIT_CWD": str(folder), **env})
    done = subprocess.run(
        ["node", "verify-install.cjs"],
        cwd=source,
        env=named,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [*(folder / "tmp").iterdir()] == []
    return lines(done.stdout)


REPORT = 'for word in "$@"; do case "$word" in */report.json) echo "%s" > "$word";; esac; done'


@pytest.mark.parametrize(
    "stub",
    [
        None,
        "exit 70",
        "kill -SEGV $$",
        "cat /dev/zero | head -c 10000000; exit 1",
        REPORT % "{garbage",
        REPORT % "{}",
    ],
    ids=range(6),
)
def test_a_pytest_that_can_not_check_prints_nothing(tmp_path: Path, stub: str | None) -> None:
    assert run_script(tmp_path, stub) == []


@pytest.mark.parametrize(
    ("number", "stub"),
    [("291.5", "exec sleep {0}"), ("292.5", "trap '' INT TERM; sleep {0}; sleep {0}")],
)
def test_a_pytest_that_hangs_is_ended(tmp_path: Path, number: str, stub: str) -> None:
    shown = run_script(tmp_path, stub.format(number), POSTINSTALL_SECONDS="1")

    assert shown == ["greet: installed; not looked at, for pytest gave no answer within 1 s"]
    left = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert not [words for words in left if words and words[-1] == number]


NOTE = 'echo "$@" > "$NOTE"'
URL = "https://health.example.org/api/reports"


@pytest.mark.parametrize(
    ("env", "runs"),
    [
        ({}, True),
        ({"CI": "true"}, False),
        ({"CI": "false"}, True),
        ({"npm_config_ignore_scripts": "true"}, False),
        ({"INIT_CWD": "package"}, False),  # in its own repository
    ],
    ids=range(5),
)
def test_checks_run_unless_they_are_unwanted(
    tmp_path: Path, env: dict[str, str], runs: bool
) -> None:
    note = tmp_path / "note"
    if "INIT_CWD" in env:
        env = {"INIT_CWD": str(tmp_path / env["INIT_CWD"])}
    run_script(tmp_path, NOTE, NOTE=str(note), **env)

    assert note.exists() == runs
    if runs:
        assert "--health-submit" not in note.read_text()


@pytest.mark.parametrize(
    ("url", "env", "sends"),
    [
        (URL, {}, True),
        (URL, {"DO_NOT_TRACK": "1"}, False),
        ("file:///etc/passwd", {}, False),
    ],
)
def test_a_report_goes_to_the_address_of_the_package(
    tmp_path: Path, url: str, env: dict[str, str], sends: bool
) -> None:
    note = tmp_path / "note"
    run_script(tmp_path, NOTE, NOTE=str(note), npm_package_config_flowhealth_submit=url, **env)
    assert (f"--health-submit {url}" in note.read_text()) == sends


# -- the CI matrix


def job(name: str) -> dict[str, Any]:
    text = (EXAMPLES / "ci/verify-package.yml").read_text()
    found: dict[str, Any] = yaml.safe_load(text)["jobs"][name]
    return found


def test_the_ci_matrix_installs_on_three_versions_of_node() -> None:
    assert job("install")["needs"] == "pack"
    assert len(job("install")["strategy"]["matrix"]["node"]) >= 3
    steps = [*job("pack")["steps"], *job("install")["steps"]]
    assert all(("uses" in step) != ("run" in step) for step in steps)

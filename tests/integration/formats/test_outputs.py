"""`--health-output` in whole runs: every format at once, however the run ends."""

import contextlib
import json
import re
import signal
import sqlite3
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.extensions import FORMATS
from pytest_flowhealth.plugin.reporting.outputs import POLLED
from tests.kit.disks import small_disk
from tests.kit.readers import READERS, assert_outputs, by_guidelines, commands
from tests.kit.reports import HEALTHY
from tests.kit.runs import RunChecks, environment, run_flowhealth
from tests.kit.waiting import wait_for

CHECKS = """
@pytest.mark.health("app", remedy="npm start")
@pytest.mark.threshold("latency.max", warn=2, fail=50, unit="ms")
def test_slow(health):
    health.measure("latency", [1, 2, 3], "ms")
    health.measure("rate", 12345.678, "1/s")

@pytest.mark.health("app")
@pytest.mark.threshold("free", warn=2, fail=1, unit="MiB")
def test_absent(health):
    pass

@pytest.mark.health("app")
def test_bad():
    raise AssertionError("it is down")

@pytest.mark.health("app", requires="app.bad")
def test_blocked(): pass

@pytest.mark.health("other")
@pytest.mark.parametrize("page", ["login", "a,b"])
def test_page(health, page):
    health.measure("page", 1.25, "s")
"""
IN_CHECK = "@pytest.mark.health('app')\ndef test_it(): "
OUTPUTS = tuple(f"--health-output={name}:out/{name}" for name in READERS)


def report_of(folder: Path) -> dict[str, Any]:
    health: dict[str, Any] = json.loads((folder / ".flowhealth/report.json").read_text())["health"]
    return health


def test_all_formats_at_once_say_what_the_report_says(
    run_checks: RunChecks, tmp_path: Path
) -> None:
    variables = {
        "GITHUB_WORKSPACE": str(tmp_path.parent),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    run = run_checks(CHECKS, *OUTPUTS, env=variables)

    assert run.exit_code == 2, run.text
    assert_outputs(tmp_path / "out", run.health, "unhealthy")
    assert {path.name for path in (tmp_path / "out").iterdir()} == READERS.keys()
    first = next(commands((tmp_path / "out/github").read_text()))
    assert first.properties == {
        "title": "fail: app.bad",
        "file": f"{tmp_path.name}/test_checks.py",
        "line": "15",
    }
    assert "it is down" in first.data
    lines = (tmp_path / "out/json-lines").read_text().splitlines()
    ours = {"kind", "started", "host", "target"}
    checks = [{k: v for k, v in json.loads(line).items() if k not in ours} for line in lines[1:]]
    for line, check in zip(checks, run.health["checks"], strict=True):
        assert line | {"location": None} == check | {"location": None}
    assert run.check("app.slow")["location"] == "test_checks.py:4"
    assert re.findall(r"(?m)^## .*$", (tmp_path / "summary.md").read_text()) == [
        "## Unhealthy: app 1.2.3"
    ]


def test_with_workers_each_output_is_written_once(run_checks: RunChecks, tmp_path: Path) -> None:
    words = ("--health-output", "openmetrics:a.prom", "--health-output=openmetrics:b.prom")
    run = run_checks(CHECKS, *words, "--health-output=openmetrics", "-k", "page", "-n", "2")

    assert run.exit_code == 0, run.text
    assert "flowhealth_status" in run.out
    assert (tmp_path / "a.prom").read_text() == (tmp_path / "b.prom").read_text() == run.out
    assert "HEALTHY" in run.err


ENDS: dict[str, tuple[str, tuple[str, ...], dict[str, str], int]] = {
    "an unknown option": ("", ("--bogus",), {}, 4),
    "an unknown format": ("", ("--health-output=nothing:x",), {}, 4),
    "an error in conftest.py": ("", (), {"conftest.py": "raise RuntimeError('no')"}, 3),
    "an exit in conftest.py": ("", (), {"conftest.py": "raise SystemExit(0)"}, 3),
    "an exit in a check": (IN_CHECK + "os._exit(0)\n", (), {}, 3),
    "an error of collection": ("import nowhere\n", (), {}, 3),
    "an interruption": (IN_CHECK + "raise KeyboardInterrupt\n", ("-k", "page or test_it"), {}, 3),
    "a killed worker": (
        IN_CHECK + "os.kill(os.getpid(), 9)\n",
        ("-n", "1", "-k", "test_it"),
        {},
        3,
    ),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_run_that_breaks_off_is_unknown_and_leaves_no_earlier_green_output(
    run_checks: RunChecks, tmp_path: Path, how: str
) -> None:
    source, words, files, exit_code = ENDS[how]
    (tmp_path / "out").mkdir()
    for entry in entry_points(group=FORMATS):
        if entry.name in READERS:
            (tmp_path / "out" / entry.name).write_text(entry.load()(HEALTHY))
    run = run_checks(CHECKS + source, *OUTPUTS, *words, files=files, unguarded="conftest" in how)

    assert run.exit_code == exit_code, run.text
    assert_outputs(tmp_path / "out", run.health, "unknown")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_a_signal_ends_is_green_in_no_format(
    run_checks: RunChecks, tmp_path: Path, number: int
) -> None:
    source = (
        "@pytest.mark.health('app')\n"
        "def test_it():\n    open('there', 'w').close()\n    time.sleep(60)\n"
    )
    run_checks(source, "--collect-only")  # writes the files
    argv = [sys.executable, "-m", "pytest", "--health", "test_checks.py", *OUTPUTS]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        argv, cwd=tmp_path, env=environment(), stdout=quiet, stderr=quiet
    ) as started:
        wait_for((tmp_path / "there").exists)
        started.send_signal(number)
        assert started.wait(60) != 0
    # A polled file keeps its earlier verdict, with its time, until there is a new one.
    left_out = () if number == signal.SIGINT else POLLED
    assert_outputs(tmp_path / "out", report_of(tmp_path), "unknown", *left_out)


def test_an_output_that_cannot_be_written_makes_the_others_unknown(
    run_checks: RunChecks, tmp_path: Path
) -> None:
    words = ("--health-output=openmetrics:a.prom", "--health-output=openmetrics:package.json/b")
    run = run_checks(CHECKS, *words, "-k", "page")

    assert run.exit_code == 3
    assert "could not be" in run.out
    assert re.search(r"(?m)^flowhealth_status\S* 3$", (tmp_path / "a.prom").read_text())


MANY = """
@pytest.mark.health("app")
@pytest.mark.parametrize("n", range(COUNT))
def test_many(health, n):
    health.measure(f"m{n}", n, "ms")
"""
GREEN = re.compile(
    r"\AOK: |\A\{\"status\":\"pass\"|^flowhealth_status\S* 0$|\A\{\"kind\":\"run\",\"status\":\"healthy\"|[ =]Healthy"
    r"|aria-label=\"health: healthy\"|verdict\" value=\"healthy\"|>Healthy",
    re.MULTILINE,
)


def test_on_a_full_disk_no_output_is_green(run_checks: RunChecks, tmp_path: Path) -> None:
    words = [f"--health-output={name}:disk/{name}" for name in READERS]
    with small_disk(tmp_path / "disk", 96) as disk:
        for count, exit_codes in ((1, (0, 3)), (40, (0, 3)), (120, (3,))):
            run = run_checks(MANY.replace("COUNT", str(count)), *words)
            green = {path.name for path in disk.iterdir() if GREEN.search(path.read_text())}
            assert run.exit_code in exit_codes
            assert green == (set() if run.exit_code else {*READERS}), count


def test_a_file_that_another_program_wrote_is_not_replaced(
    run_checks: RunChecks, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("notes.md")
    words = ("--health-output=markdown:link", "--health-output=junit:j.xml")
    run = run_checks(CHECKS, *words, files={"notes.md": "## Healthy: how to stay so\n"})

    assert run.exit_code == 4
    assert "link is there, and no markdown of an earlier run; name another file" in run.err
    assert (tmp_path / "notes.md").read_text() == "## Healthy: how to stay so\n"


def test_an_output_alone_means_a_health_run(run_checks: RunChecks) -> None:
    mixed = CHECKS + "\ndef test_ordinary(): assert 0\n"
    run = run_checks(mixed, "--health-output=nagios", "-k", "page or ordinary", health=False)

    assert run.exit_code == 2, run.text
    assert run.out.startswith("CRITICAL: ")


def test_a_monitor_refuses_an_output_and_names_its_own_setting(tmp_path: Path) -> None:
    run = run_flowhealth(tmp_path, "monitor", "--", "--health-output=openmetrics:x")
    assert run.exit_code == 4
    assert "[monitor] openmetrics" in run.text


def test_nagios_has_standard_output_to_itself(run_checks: RunChecks) -> None:
    run = run_checks("print('at import')\n" + CHECKS, "--health-output=nagios", "-s")

    assert run.exit_code == 2
    assert run.out.startswith(
        "CRITICAL: app 1.2.3 is unhealthy: 2 pass, 1 warn, 1 fail, 1 unknown, 1 skip"
    )
    assert by_guidelines(run.out)["app.latency.max"] == (3, "ms")
    assert "at import" not in run.out

    for words in (("--health-threshold", "nothing=1:2"), ("-k", "nothing")):
        run = run_checks(CHECKS, "--health-output=nagios", *words)
        assert run.exit_code in (3, 4)
        assert run.out.startswith("UNKNOWN: "), run.out


def test_a_summary_that_cannot_be_written_makes_the_run_unknown(
    run_checks: RunChecks, tmp_path: Path
) -> None:
    words = ("--health-output=github", "--health-output=junit:out/junit")
    run = run_checks(CHECKS, *words, "-k", "page", env={"GITHUB_STEP_SUMMARY": str(tmp_path)})

    assert run.exit_code == 3
    assert "summary" in next(commands(run.out)).data
    left_out = READERS.keys() - {"junit"}
    assert_outputs(tmp_path / "out", run.health, "unknown", *left_out)


def test_a_verdict_that_could_not_be_printed_is_green_nowhere(
    run_checks: RunChecks, tmp_path: Path
) -> None:
    run_checks(CHECKS, "--collect-only")  # writes the files
    (tmp_path / "summary.md").write_text("# Before\n")
    argv = [sys.executable, "-m", "pytest", "--health", "test_checks.py", "-k", "page"]
    words = ["--health-output=github", *OUTPUTS, "--health-history=sqlite:///h.db"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*argv, *words],
            cwd=tmp_path,
            env=environment({"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}),
            stdout=full,
            stderr=subprocess.DEVNULL,
            check=False,
        )

    assert done.returncode == 3
    assert_outputs(tmp_path / "out", report_of(tmp_path), "unknown")
    headings = re.findall(r"(?m)^##? .*$", (tmp_path / "summary.md").read_text())
    assert headings == ["# Before", "## Unknown: app 1.2.3"]
    with contextlib.closing(sqlite3.connect(tmp_path / "h.db")) as history:
        assert history.execute("SELECT status FROM runs").fetchall() == [("unknown",)]

"""Every format in whole runs: several at once, broken runs, hostile checks, in CI."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.formats import github
from pytest_flowhealth.plugin.outputs import POLLED
from pytest_flowhealth.verdict.report import Health as Report
from tests.formats.readers import READERS, by_guidelines, commands, figures_of
from tests.formats.test_all import PEOPLE, STATUSES
from tests.kit.reports import HOSTILE
from tests.plugin.conftest import Health, Result

NEGATE = Path("/usr/lib/nagios/plugins/negate")
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
OUTPUTS = tuple(f"--health-output={name}:out/{name}" for name in READERS)


def judged(result: Result, folder: Path, status: str, left_out: tuple[str, ...] = ()) -> None:
    """Read every output, and compare it with the report."""
    report = msgspec.convert(result.health, Report)
    assert report.status == status
    for name, reader in READERS.items():
        if name in left_out:
            continue
        told = reader((folder / "out" / name).read_text(), report)
        assert told.status == STATUSES.get(name, {}).get(status, status), name
        if name not in ("nagios", "openmetrics"):
            wanted = figures_of(result.health["checks"])
            assert told.figures == pytest.approx(wanted, rel=1e-3 if name in PEOPLE else 1e-12), (
                name
            )


def test_all_at_once(run: Health, tmp_path: Path) -> None:
    result = run(CHECKS, *OUTPUTS)

    assert result.exit_code == 2, result.out + result.err
    judged(result, tmp_path, "unhealthy")
    found = list(commands((tmp_path / "out/github").read_text()))
    assert found[0].properties == {"title": "fail: app.bad", "file": "test_checks.py", "line": "15"}
    assert "it is down" in found[0].data
    lines = (tmp_path / "out/json-lines").read_text().splitlines()
    told = [json.loads(one) for one in lines[1:]]
    ours = {"kind", "started", "host", "target"}
    assert [{key: one[key] for key in one.keys() - ours} for one in told] == result.health["checks"]


BREAKS = {
    "collection": ("import nowhere\n", ()),
    "nothing": ("", ()),
    "skipped": (
        "@pytest.mark.health('app')\n@pytest.mark.skip(reason='no')\ndef test_it(): pass\n",
        (),
    ),
    "interrupted": (CHECKS + "    raise KeyboardInterrupt\n", ("-k", "page")),
    "killed": ("@pytest.mark.health('app')\ndef test_it(): os.kill(os.getpid(), 9)\n", ("-n", "1")),
}


@pytest.mark.parametrize("how", list(BREAKS))
def test_a_broken_run_is_green_nowhere(run: Health, tmp_path: Path, how: str) -> None:
    source, words = BREAKS[how]
    result = run(source, *words, *OUTPUTS)

    assert result.exit_code == 3, result.out + result.err
    judged(result, tmp_path, "unknown")


def test_a_run_that_can_not_begin_is_green_nowhere(run: Health, tmp_path: Path) -> None:
    assert run(CHECKS, *OUTPUTS, "-k", "page").exit_code == 0
    result = run(CHECKS, *OUTPUTS, files={"conftest.py": "raise RuntimeError('no')"})

    assert result.exit_code == 3
    judged(result, tmp_path, "unknown")


ENDS = {
    "option": ("", ("--bogus",), {}, 4),
    "setting": ("", (), {"pytest.ini": "[pytest]\nrequired_plugins = nothere\n"}, 4),
    "ours": ("", ("--health-threshold=nothing",), {}, 4),
    "format": ("", ("--health-output=nothing:x",), {}, 4),
    "exit": ("@pytest.mark.health('app')\ndef test_it(): os._exit(0)\n", (), {}, 3),
}


@pytest.mark.parametrize("how", list(ENDS))
def test_an_end_that_is_known_leaves_nothing_green(run: Health, tmp_path: Path, how: str) -> None:
    source, words, files, exit_code = ENDS[how]
    assert run(CHECKS, *OUTPUTS, "-k", "page").exit_code == 0
    result = run(CHECKS + source, *OUTPUTS, *words, files=files)

    assert result.exit_code == exit_code, result.out + result.err
    judged(result, tmp_path, "unknown")


def test_a_hostile_check(run: Health, tmp_path: Path) -> None:
    source = f"""
HOSTILE = {HOSTILE!a}

@pytest.mark.health("app")
@pytest.mark.parametrize("text", [HOSTILE], ids=["|'=:,"])
def test_it(health, text):
    health.measure("n", 1, "s")
    health.remedy(HOSTILE)
    raise AssertionError(HOSTILE + "x" * 1_000_000)

@pytest.mark.health("app")
def test_warned(health):
    health.warn(HOSTILE)
"""
    result = run(source, *OUTPUTS)

    assert result.exit_code == 2, result.out + result.err
    judged(result, tmp_path, "unhealthy")
    for name in READERS:
        text = re.sub(
            r"<style>.*?</style>", "", (tmp_path / "out" / name).read_text(), flags=re.DOTALL
        )
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e\u2028]", text), name
        assert len(text) < 100_000


def test_nagios_has_standard_output_for_itself(run: Health) -> None:
    result = run("print('at import')\n" + CHECKS, "--health-output=nagios", "-s")

    assert result.exit_code == 2
    first, *_ = result.out.splitlines()
    assert first.startswith(
        "CRITICAL: app 1.2.3 is unhealthy: 2 pass, 1 warn, 1 fail, 1 unknown, 1 skip"
    )
    assert by_guidelines(result.out)["app.latency.max"] == (3, "ms")
    assert "at import" not in result.out

    for words in (("--health-threshold", "nothing=1:2"), ("-k", "nothing")):
        result = run(CHECKS, "--health-output=nagios", *words)
        assert result.exit_code in (3, 4)
        assert result.out.startswith("UNKNOWN: "), result.out


@pytest.mark.skipif(not NEGATE.exists(), reason="no monitoring-plugins-basic (apt)")
def test_a_plugin_runs_it_as_one(run: Health, tmp_path: Path) -> None:
    run(CHECKS, "-k", "page")  # writes the files
    python = shutil.which(sys.executable)
    argv = [
        str(NEGATE),
        "-s",
        "-t",
        "60",
        "-o",
        "CRITICAL",
        "-c",
        "OK",
        f"{python}",
        "-m",
        "pytest",
    ]
    words = ["--health", "--health-output=nagios", "-p", "no:cacheprovider", "test_checks.py"]
    done = subprocess.run(
        [*argv, *words, "-k", "page"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    # It puts its own state in the place of the plugin's word, and leaves the rest.
    assert (done.returncode, done.stdout[:13]) == (2, "CRITICAL: app"), done.stdout + done.stderr
    done = subprocess.run(
        [*argv, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout[:7]) == (0, "OK: app"), done.stdout + done.stderr


def in_ci(folder: Path) -> dict[str, str]:
    return {"GITHUB_WORKSPACE": str(folder), "GITHUB_STEP_SUMMARY": str(folder / "summary.md")}


def test_in_github_actions(run: Health, tmp_path: Path) -> None:
    result = run(CHECKS, "--health-output=github", env=in_ci(tmp_path.parent))

    found = list(commands(result.out))
    assert found[0].properties["file"] == f"{tmp_path.name}/test_checks.py"
    assert result.health["checks"][0]["location"] == "test_checks.py:4"
    summary = (tmp_path.parent / "summary.md").read_text()
    assert (
        READERS["markdown"](summary, msgspec.convert(result.health, Report)).status == "unhealthy"
    )


def test_the_summary_is_appended_once(run: Health, tmp_path: Path) -> None:
    (tmp_path / "summary.md").write_text("# Before\n")
    run(CHECKS, "--health-output=github:x", "-k", "page", env=in_ci(tmp_path))
    run(
        CHECKS,
        "--health-output=github:x",
        files={"conftest.py": "raise RuntimeError('no')"},
        env=in_ci(tmp_path),
    )
    run(CHECKS, "--health-output=junit:y", env=in_ci(tmp_path))

    headings = re.findall(r"(?m)^##? .*$", (tmp_path / "summary.md").read_text())
    assert headings == [
        "# Before",
        "## Healthy: app 1.2.3",
        f"## Unknown: {tmp_path}".replace("_", "\\_"),
    ]


def test_a_full_summary_stays_whole(run: Health, tmp_path: Path) -> None:
    (tmp_path / "summary.md").write_text("x" * (github.SUMMARY - 500))
    result = run(CHECKS, "--health-output=github:x", "-k", "page", env=in_ci(tmp_path))

    assert result.exit_code == 0
    assert (tmp_path / "summary.md").stat().st_size <= github.SUMMARY


@pytest.mark.parametrize("place", [".", "pipe", ".flowhealth/report.json", "out"])
def test_a_summary_that_can_not_be_written_is_told(run: Health, tmp_path: Path, place: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    env = in_ci(tmp_path) | {"GITHUB_STEP_SUMMARY": str(tmp_path / place)}
    result = run(
        CHECKS, "--health-output=github", "--health-output=junit:out", "-k", "page", env=env
    )

    assert result.exit_code == 3
    assert "summary" in next(commands(result.out)).data
    assert result.health["status"] == "unknown"
    told = READERS["junit"]((tmp_path / "out").read_text(), msgspec.convert(result.health, Report))
    assert told.status == "unknown"


def test_a_verdict_that_nobody_could_be_told_is_nowhere_green(run: Health, tmp_path: Path) -> None:
    run(CHECKS, "--collect-only")  # writes the files
    (tmp_path / "summary.md").write_text("# Before\n")
    argv = [sys.executable, "-m", "pytest", "--health", "test_checks.py", "-k", "page"]
    words = ["--health-output=github", *OUTPUTS, "--health-history=sqlite:///h.db"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*argv, *words],
            cwd=tmp_path,
            env={**os.environ, **in_ci(tmp_path)},
            stdout=full,
            stderr=subprocess.DEVNULL,
            check=False,
        )

    assert done.returncode == 3
    report = json.loads((tmp_path / ".flowhealth/report.json").read_text())
    judged(Result(3, "", "", report), tmp_path, "unknown")
    headings = re.findall(r"(?m)^##? .*$", (tmp_path / "summary.md").read_text())
    assert headings == ["# Before", "## Unknown: app 1.2.3"]
    with contextlib.closing(sqlite3.connect(tmp_path / "h.db")) as history:
        assert history.execute("SELECT status FROM runs").fetchall() == [("unknown",)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal(run: Health, tmp_path: Path, number: int) -> None:
    source = "@pytest.mark.health('app')\ndef test_it():\n    open('there', 'w').close()\n    time.sleep(60)\n"
    run(source, "--collect-only")  # writes the files
    argv = [sys.executable, "-m", "pytest", "--health", "test_checks.py", *OUTPUTS]
    with subprocess.Popen(
        argv, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as started:
        end = time.monotonic() + 60
        while not (tmp_path / "there").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        started.send_signal(number)
        assert started.wait(60) != 0
    report = json.loads((tmp_path / ".flowhealth/report.json").read_text())
    assert report["health"]["status"] == "unknown"
    # What others poll has its time in it; it is not written before there is something to tell.
    left_out = () if number == signal.SIGINT else POLLED
    judged(Result(3, "", "", report), tmp_path, "unknown", left_out)

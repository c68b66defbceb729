"""--health-output: whole runs."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pytest_flowhealth.plugin.own_files import require_own
from tests.formats.readers import READERS
from tests.plugin.conftest import Health

CHECK = """
@pytest.mark.health("app")
def test_it(health):
    health.measure("latency", [1, 2, 3], "ms")
"""
INFO = "fh_test-1.dist-info/entry_points.txt"
PACKAGE = {
    INFO: "[pytest_flowhealth.formats]\ntheirs = fh_theirs:render\nbroken = fh_theirs:broken\n"
    "missing = fh_nowhere:render\n",
    "fh_test-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: fh-test\nVersion: 1\n",
    "fh_theirs.py": "def render(health): return f'{health.status} \\ud800'\n"
    "def broken(health): raise SystemError('of theirs')\n",
}


def read(path: Path) -> dict[str, float]:
    """Return what a strict parser reads of the run as such."""
    return {
        one.name: one.value
        for family in text_string_to_metric_families(path.read_text())  # type: ignore[no-untyped-call]
        for one in family.samples
        if "component" not in one.labels
    }


def test_the_file_is_there_in_one_step_for_everybody(run: Health, tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        result = run(CHECK, "--health-output", "openmetrics:out/app.prom")
    finally:
        os.umask(old)

    assert result.exit_code == 0, result.out + result.err
    assert read(tmp_path / "out/app.prom")["flowhealth_status"] == 0
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["app.prom"]
    assert (tmp_path / "out/app.prom").stat().st_mode & 0o777 == 0o644
    assert "HEALTHY" in result.out


def test_several(run: Health, tmp_path: Path) -> None:
    words = ("--health-output", "openmetrics:a.prom", "--health-output=openmetrics:b.prom")
    result = run(CHECK, *words, "--health-output=openmetrics", "-n", "2")

    assert result.exit_code == 0
    assert read(tmp_path / "a.prom")["flowhealth_status"] == 0
    assert (tmp_path / "a.prom").read_text() == (tmp_path / "b.prom").read_text() == result.out
    assert "HEALTHY" in result.err


def test_one_that_can_not_be_written_shows_in_the_others(run: Health, tmp_path: Path) -> None:
    words = ("--health-output=openmetrics:a.prom", "--health-output=openmetrics:package.json/b")
    result = run(CHECK, *words)

    assert result.exit_code == 3
    assert "could not be" in result.out
    assert read(tmp_path / "a.prom")["flowhealth_status"] == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_on_a_full_disk_none_is_green(run: Health, tmp_path: Path) -> None:
    names = ("nagios", "health+json", "openmetrics", "json-lines", "github", "junit", "markdown")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96k", "none", disk], check=False
    ).returncode:
        pytest.skip("nothing can be mounted here")
    many = (
        CHECK + f"@pytest.mark.health('app')\n@pytest.mark.parametrize('n', range(COUNT))\n{MANY}"
    )
    words = [f"--health-output={name}:disk/{name}" for name in (*names, "html")]
    try:
        codes = []
        for count in (1, 40, 120):
            result = run(many.replace("COUNT", str(count)), *words)
            green = {one.name for one in disk.iterdir() if GREEN.search(one.read_text())}
            codes.append(result.exit_code)
            whole = (0, {*names, "html"})
            assert (result.exit_code, green) in (whole, (3, set())), count
        assert codes[-1] == 3
    finally:
        subprocess.run(["umount", disk], check=True)


MANY = "def test_many(health, n): health.measure(f'm{n}', n, 'ms')\n"
GREEN = re.compile(
    r"\AOK: |\A\{\"status\":\"pass\"|^flowhealth_status\S* 0$|\A\{\"kind\":\"run\",\"status\":\"healthy\"|[ =]Healthy"
    r"|verdict\" value=\"healthy\"|>Healthy",
    re.MULTILINE,
)


FOREIGN = {
    "package-lock.json": '{"status": "pass"}',
    "notes.md": "## Healthy: how to stay so\n",
    "page.html": "<!doctype html><html></html>",
    "theirs.xml": '<?xml version="1.0"?><testsuites name="pytest tests"/>',
    "theirs.prom": "# TYPE up gauge\n",
}


@pytest.mark.parametrize("name", READERS)
def test_a_file_of_somebody_is_known(tmp_path: Path, name: str) -> None:
    for place, text in (FOREIGN | {"package.json": "{}", "x.py": "import os\n"}).items():
        (tmp_path / place).write_text(text)
        with pytest.raises(OSError, match="name another file"):
            require_own(tmp_path / place, name)


@pytest.mark.parametrize("place", ["package.json", "link"])
def test_a_file_of_somebody_is_not_replaced(run: Health, tmp_path: Path, place: str) -> None:
    (tmp_path / "link").symlink_to("notes.md")
    words = (f"--health-output=markdown:{place}", "--health-output=junit:j.xml")
    result = run(CHECK, *words, files=FOREIGN)

    assert result.exit_code == 4
    assert f"{place} is there, and no markdown of an earlier run; name another file" in result.err
    assert (tmp_path / "package.json").read_text() == '{"name": "app", "version": "1.2.3"}'
    assert {one: (tmp_path / one).read_text() for one in FOREIGN} == FOREIGN


def test_its_own_file_is_replaced_and_keeps_its_mode(run: Health, tmp_path: Path) -> None:
    words = [f"--health-output={name}:out/{name}" for name in READERS]
    (tmp_path / "out").mkdir()
    (tmp_path / "real").touch(0o600)
    (tmp_path / "out/nagios").symlink_to("../real")
    assert run(CHECK, *words, files={"out/junit": "\n"}).exit_code == 0
    (tmp_path / "out/junit").chmod(0o640)
    assert run(CHECK, *words, "-k", "nothing").exit_code == 3
    assert run(CHECK + "    assert 0", *words).exit_code == 2
    assert run(CHECK, *words).exit_code == 0

    assert (tmp_path / "out/nagios").is_symlink()
    modes = [(tmp_path / one).stat().st_mode & 0o777 for one in ("real", "out/junit", "out/html")]
    assert modes == [0o600, 0o640, 0o644]


@pytest.mark.parametrize(
    "words",
    [
        ("--health-output=junit:a", "--health-output=html:./x/../a"),
        ("--health-output=junit:.flowhealth/report.json",),
        ("--health-output=health+json:r.json", "--health-report=r.json"),
    ],
)
def test_two_for_one_place_are_refused(run: Health, words: tuple[str, ...]) -> None:
    result = run(CHECK, *words, files={"r.json": ""})

    assert result.exit_code == 4
    assert "can't both go to" in result.err


def test_a_device_is_not_replaced(run: Health, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in ("/dev/null", "pipe", "."):
        result = run(CHECK, f"--health-output=openmetrics:{place}")
        assert result.exit_code == 4
        assert "name a file" in result.out + result.err
    assert Path("/dev/null").is_char_device()
    assert pipe.is_fifo()


def test_an_earlier_file_does_not_stand_for_a_run_that_was_none(
    run: Health, tmp_path: Path
) -> None:
    words = ("--health-output", "openmetrics:a.prom")
    assert run(CHECK, *words).exit_code == 0
    assert run(CHECK, *words, files={"conftest.py": "raise SystemExit(0)"}).exit_code == 3

    assert read(tmp_path / "a.prom")["flowhealth_status"] == 3


@pytest.mark.parametrize(
    ("name", "exit_code", "says"),
    [("theirs", 0, ""), ("broken", 3, "SystemError: of theirs"), ("missing", 3, "fh_nowhere")],
)
def test_a_format_of_another_package(
    run: Health, tmp_path: Path, name: str, exit_code: int, says: str
) -> None:
    env = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    result = run(CHECK, f"--health-output={name}:x", files=PACKAGE, env=env)

    assert result.exit_code == exit_code, result.out + result.err
    assert says in result.out
    assert result.health["status"] == ("healthy" if exit_code == 0 else "unknown")
    if exit_code == 0:
        assert (tmp_path / "x").read_text() == "healthy \\ud800"

    result = run(CHECK, f"--health-output={name}", files=PACKAGE, env=env)
    assert result.exit_code == exit_code, result.out + result.err
    assert says in result.err
    assert result.health["exit_code"] == exit_code


def test_an_unknown_one_names_those_that_there_are(run: Health) -> None:
    result = run(CHECK, "--health-output=xml")
    assert result.exit_code == 4
    assert "there is no format 'xml'; there are github, health+json, html," in result.err


def test_it_means_health(run: Health, tmp_path: Path) -> None:
    mixed = CHECK + "\ndef test_ordinary(): assert 0\n"
    result = run(mixed, "--health-output=openmetrics:a.prom", health=False)

    assert result.exit_code == 2, result.out + result.err
    assert read(tmp_path / "a.prom")["flowhealth_status"] == 2
    result = run(CHECK, "--health-output=nagios", health=False)
    assert result.out.startswith("OK: ")


def test_a_monitor_has_its_own(run: Health) -> None:
    result = run(CHECK, "--health-monitor=1h", "--health-output=openmetrics:x")
    assert result.exit_code == 4
    assert "[monitor] openmetrics" in result.out + result.err

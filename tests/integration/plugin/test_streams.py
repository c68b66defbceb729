"""Standard output that is closed, full or no longer read; Ctrl-C; a disk that is full."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import warm
from tests.kit.runs import environment
from tests.kit.waiting import wait_for

FINE = "import pytest\n@pytest.mark.health('app')\ndef test_it(health):\n    health.detail(x='y' * 100)\n"
BAD = FINE + "    assert 0\n"


def start(folder: Path, source: str, *options: str, stdout: int) -> warm.Process:
    """Start a run; its standard error goes to the file `err`."""
    (folder / "package.json").write_text('{"name": "app", "version": "1.0.0"}')
    (folder / "test_it.py").write_text(source)
    argv = ["--health", "test_it.py", *options]
    with Path(os.devnull).open("rb") as stdin, (folder / "err").open("wb") as err:
        return warm.start(argv, folder, environment(), [stdin.fileno(), stdout, err.fileno()])


def wait(folder: Path, process: warm.Process) -> tuple[int, str]:
    """Return the exit code and what was printed on standard error, which has no traceback."""
    exit_code = process.wait(60)
    err = (folder / "err").read_text()
    assert "Traceback" not in err
    return exit_code, err


def status(folder: Path) -> str:
    return str(json.loads((folder / ".flowhealth/report.json").read_text())["health"]["status"])


@pytest.mark.parametrize(("source", "exit_code"), [(FINE, 0), (BAD, 2)], ids=["fine", "bad"])
def test_a_closed_standard_output_changes_no_verdict(
    tmp_path: Path, source: str, exit_code: int
) -> None:
    process = start(tmp_path, source, stdout=warm.CLOSED)

    assert wait(tmp_path, process) == (exit_code, "")
    assert status(tmp_path) == ("healthy" if exit_code == 0 else "unhealthy")


@pytest.mark.parametrize(("source", "exit_code"), [(FINE, 0), (BAD, 2)], ids=["fine", "bad"])
@pytest.mark.parametrize("options", [(), ("--health-report", "-")], ids=["text", "report"])
def test_a_reader_that_went_away_changes_no_verdict(
    tmp_path: Path, source: str, exit_code: int, options: tuple[str, ...]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start(tmp_path, source, *options, stdout=writer)
    os.close(writer)

    assert wait(tmp_path, process)[0] == exit_code


@pytest.mark.parametrize(
    ("options", "exit_code"),
    [((), 0), (("-q", "-q"), 0), (("--health-report", "-"), 3)],
    ids=["text", "quiet", "report"],
)
def test_a_full_standard_output_is_named_and_a_report_that_is_lost_is_unknown(
    tmp_path: Path, options: tuple[str, ...], exit_code: int
) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(tmp_path, FINE, *options, stdout=full.fileno())

    ended = wait(tmp_path, process)

    assert ended[0] == exit_code
    assert "No space left on device" in ended[1]


def test_ctrl_c_leaves_an_unknown_report(tmp_path: Path) -> None:
    source = FINE + "    import time\n    open('begun', 'w').close()\n    time.sleep(60)\n"
    with (tmp_path / "out").open("wb") as out:
        process = start(tmp_path, source, stdout=out.fileno())
    wait_for((tmp_path / "begun").exists)
    process.send_signal(signal.SIGINT)

    assert wait(tmp_path, process) == (3, "")
    assert status(tmp_path) == "unknown"
    assert "interrupted" in (tmp_path / "out").read_text()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small file system, which needs root."""
    if not shutil.which("mount") or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a tmpfs can't be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=False)


def test_a_report_that_finds_no_space_leaves_no_older_one(tmp_path: Path, disk: Path) -> None:
    report = disk / "report.json"
    report.write_text('{"health": {"status": "healthy"}}')
    with pytest.raises(OSError, match="No space"), (disk / "filler").open("wb") as filler:
        filler.write(b"x" * 100_000)

    with Path(os.devnull).open("wb") as out:
        process = start(tmp_path, FINE, "--health-report", str(report), stdout=out.fileno())

    exit_code, err = wait(tmp_path, process)
    assert exit_code == 4
    assert "No space left on device" in err
    assert not report.exists()

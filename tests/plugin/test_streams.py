"""Standard output that is closed, full or no longer read; signals; disks that are full."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FINE = "import pytest\n@pytest.mark.health('app')\ndef test_it(health):\n    health.detail(x='y' * 100)\n"
BAD = FINE + "    assert 0\n"


def start(folder: Path, source: str, *options: str, **streams: object) -> subprocess.Popen[bytes]:
    (folder / "package.json").write_text('{"name": "app", "version": "1.0.0"}')
    (folder / "test_it.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "--health", "test_it.py", *options]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, **streams)  # type: ignore[call-overload, no-any-return]


def status(folder: Path) -> str:
    return str(json.loads((folder / ".flowhealth/report.json").read_text())["health"]["status"])


@pytest.mark.parametrize(("source", "exit_code"), [(FINE, 0), (BAD, 2)])
def test_closed_standard_output(tmp_path: Path, source: str, exit_code: int) -> None:
    process = start(tmp_path, source, preexec_fn=lambda: os.close(1))
    _, err = process.communicate(timeout=60)

    assert process.returncode == exit_code, err
    assert b"Traceback" not in err
    assert status(tmp_path) == ("healthy" if exit_code == 0 else "unhealthy")


@pytest.mark.parametrize(("source", "exit_code"), [(FINE, 0), (BAD, 2)])
@pytest.mark.parametrize("options", [(), ("--health-report", "-")])
def test_a_reader_that_went_away(
    tmp_path: Path, source: str, exit_code: int, options: tuple[str, ...]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start(tmp_path, source, *options, stdout=writer)
    os.close(writer)
    _, err = process.communicate(timeout=60)

    assert process.returncode == exit_code, err
    assert b"Traceback" not in err


def test_ctrl_c(tmp_path: Path) -> None:
    source = FINE + "    import time\n    open('begun', 'w').close()\n    time.sleep(60)\n"
    process = start(tmp_path, source, stdout=subprocess.PIPE)
    while not (tmp_path / "begun").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 3, err
    assert status(tmp_path) == "unknown"
    assert b"interrupted" in out
    assert b"Traceback" not in out + err


@pytest.mark.skipif(not shutil.which("mount") or os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=False
    ).returncode:
        pytest.skip("a tmpfs can't be mounted here")
    try:
        report = disk / "report.json"
        report.write_text('{"health": {"status": "healthy"}}')
        with (disk / "filler").open("wb", buffering=0) as filler:
            for _ in range(100):
                try:
                    filler.write(b"x" * 1024)
                except OSError:
                    break
        process = start(tmp_path, FINE, "--health-report", str(report), stdout=subprocess.PIPE)
        _, err = process.communicate(timeout=60)

        assert process.returncode == 4
        assert b"No space left on device" in err
        assert not report.exists(), "an old green report stands for a run that could not write"
    finally:
        subprocess.run(["umount", disk], check=False)

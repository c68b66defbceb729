"""What is written by `flowhealth init`, judged by git and systemd, and on a full disk."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.scaffold.files import format_diff, write
from pytest_flowhealth.scaffold.plan import plan, service_unit
from tests.kit.disks import small_disk
from tests.kit.scaffold import listing, make


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_diff_can_be_applied_by_git(tmp_path: Path, end: str) -> None:
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    project, copy = tmp_path / "a", tmp_path / "b"
    for folder in (project, copy):
        folder.mkdir()
        make(folder, '{\n\t"name": "a"\n}'.replace("\n", end))
    planned = plan(project)
    diff = "".join(f"{line}\n" for line in format_diff(planned.changes))
    subprocess.run(["git", "apply"], cwd=copy, input=diff.encode(), check=True)
    write(planned)

    assert listing(copy) == listing(project)


@pytest.mark.parametrize("room", [4, 12, 20, 28])
def test_a_full_disk_leaves_the_project_unchanged(tmp_path: Path, room: int) -> None:
    with small_disk(tmp_path / "disk", 256) as disk:
        planned = plan(make(disk))
        free = os.statvfs(disk)
        (disk / "filler").write_bytes(b"x" * (free.f_bavail * free.f_bsize - room * 1024))
        before = listing(disk)

        with pytest.raises(CheckFailed, match="No space left on device; nothing was written"):
            write(planned)
        assert listing(disk) == before


@pytest.mark.parametrize("redis", [True, False])
def test_systemd_accepts_the_unit(tmp_path: Path, redis: bool) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    text = service_unit("shop", redis=redis).replace("/opt/flowhealth/bin/flowhealth", "/bin/true")
    unit = tmp_path / "flowhealth.service"
    unit.write_text(text)

    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )  # fmt: skip
    assert "flowhealth.service" not in done.stderr, done.stderr

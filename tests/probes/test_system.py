"""The machine's figures, against the machine and against made-up control groups."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes import system
from tests.kit.control_groups import v2


def test_memory_is_the_machine_s_where_no_group_limits_it(tmp_path: Path) -> None:
    found = system.memory(tmp_path)
    assert found.available_in == found.used_in == "machine"
    assert 0 < found.available <= found.total
    assert 0 < found.used < 100
    assert found.total == pytest.approx(psutil.virtual_memory().total / 2**20)


def test_memory_is_the_group_s_where_that_is_tighter(tmp_path: Path) -> None:
    root = v2(
        tmp_path,
        {
            "a/memory.max": str(100 << 20),
            "a/memory.current": str(99 << 20),
            "a/memory.stat": f"inactive_file {9 << 20}\n",
        },
    )
    found = system.memory(root)
    assert found.available == 10.0
    assert found.used == 90.0
    assert found.available_in == found.used_in == "control group /a"
    assert found.total == 100.0


def test_a_group_over_its_limit_has_nothing_left(tmp_path: Path) -> None:
    root = v2(
        tmp_path,
        {"a/memory.max": "1000", "a/memory.current": "1200", "a/memory.stat": "inactive_file 0"},
    )
    assert system.memory(root).available == 0.0


def test_a_group_s_limit_above_the_machine_s_memory_is_none(tmp_path: Path) -> None:
    root = v2(
        tmp_path,
        {"a/memory.max": str(1 << 59), "a/memory.current": "1", "a/memory.stat": "inactive_file 0"},
    )
    assert system.memory(root).available_in == "machine"


def test_cpu_is_a_share(tmp_path: Path) -> None:
    found = system.cpu(0.2, root=tmp_path)
    assert found.scope == "machine"
    assert 0 <= found.used <= 100


def test_cpu_of_a_group_is_the_use_of_its_quota(tmp_path: Path) -> None:
    root = v2(tmp_path, {"a/cpu.max": "50000 100000", "a/cpu.stat": "usage_usec 0"})

    def pass_time(seconds: float) -> None:
        (root / "sys/fs/cgroup/a/cpu.stat").write_text("usage_usec 1500000")
        time.sleep(0.1)

    times = iter((10.0, 12.0))
    found = system.cpu(2.0, root=root, clock=lambda: next(times), sleep=pass_time)
    assert found.scope == "control group /a"
    assert found.used == pytest.approx(150.0)  # 1.5 s used of 2 s times half a CPU


def test_cpu_times_that_do_not_move_are_no_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = psutil.cpu_times(percpu=True)
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: frozen)
    with pytest.raises(MeasurementUnavailable, match="did not move"):
        system.cpu(0.0, root=tmp_path)


def test_load_is_told_for_each_cpu_of_the_machine() -> None:
    found = system.load()
    assert found.cpus == os.cpu_count()
    assert found.per_cpu == pytest.approx(found.average / found.cpus)


@pytest.mark.skipif(shutil.which("df") is None, reason="needs df")
def test_disk_as_df_tells_it(tmp_path: Path) -> None:
    found = system.disk(tmp_path)
    command = ["df", "--output=pcent,ipcent", str(tmp_path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    percent, inodes = told.splitlines()[1].split()
    assert found.used == pytest.approx(float(percent.rstrip("%")), abs=1.1)  # df rounds up
    if found.inodes_used is not None:
        assert found.inodes_used == pytest.approx(float(inodes.rstrip("%")), abs=1.1)
    assert found.free > 0


def test_disk_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MeasurementUnavailable):
        system.disk(tmp_path / "absent")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs proc")
def test_a_file_system_without_a_size() -> None:
    with pytest.raises(MeasurementUnavailable, match="no size"):
        system.disk(Path("/proc"))

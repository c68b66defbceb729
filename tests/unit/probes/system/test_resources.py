"""The machine's figures, against the machine and against made-up control groups."""

import os
from pathlib import Path

import psutil
import pytest

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.system import resources
from tests.kit.control_groups import v2


def test_memory_is_that_of_the_machine_where_no_group_limits_it(tmp_path: Path) -> None:
    found = resources.read_memory(tmp_path)
    assert found.available_in == found.used_in == "machine"
    assert 0 < found.available <= found.total
    assert 0 < found.used < 100
    assert found.total == pytest.approx(psutil.virtual_memory().total / 2**20)


GROUP = {"available_in": "control group /a", "used_in": "control group /a"}


@pytest.mark.parametrize(
    ("limit", "used", "droppable", "figures"),
    [
        (100 << 20, 99 << 20, 9 << 20, {"available": 10.0, "used": 90.0, "total": 100.0, **GROUP}),
        (1000, 1200, 0, {"available": 0.0, **GROUP}),
        (1 << 59, 1, 0, {"available_in": "machine"}),
    ],
)
def test_memory_is_that_of_the_group_where_its_limit_is_tighter(
    tmp_path: Path, limit: int, used: int, droppable: int, figures: dict[str, float | str]
) -> None:
    files = {"a/memory.max": f"{limit}", "a/memory.current": f"{used}"}
    files |= {"a/memory.stat": f"inactive_file {droppable}\n"}
    found = resources.read_memory(v2(tmp_path, files))
    assert {name: getattr(found, name) for name in figures} == figures


def test_cpu_of_a_group_is_a_share_of_its_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = v2(tmp_path, {"a/cpu.max": "50000 100000", "a/cpu.stat": "usage_usec 0"})
    usage = root / "sys/fs/cgroup/a/cpu.stat"
    move_cpu_times(monkeypatch, user=1, idle=1)
    times = iter((10.0, 12.0))

    def sleep(seconds: float) -> None:
        usage.write_text("usage_usec 1500000")

    found = resources.measure_cpu(
        root=root, clock=lambda: next(times), sleep=sleep, own_seconds=lambda: 0.0
    )

    assert found.scope == "control group /a"
    assert found.used == pytest.approx(150.0)  # 1.5 s used of 2 s times half a CPU


def test_cpu_of_the_machine_is_the_busy_share_of_both_readings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_cpu_times(monkeypatch, user=3, idle=1)
    found = resources.measure_cpu(0.0, root=tmp_path, own_seconds=lambda: 0.0)
    assert found == resources.Cpu(75.0, "machine")
    move_cpu_times(monkeypatch, user=0, idle=0)
    with pytest.raises(MeasurementUnavailable, match="did not move"):
        resources.measure_cpu(0.0, root=tmp_path)


def test_cpu_that_this_run_uses_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = iter((10.0, 10.0 + 2 * len(psutil.cpu_times(percpu=True))))
    move_cpu_times(monkeypatch, user=3, idle=1)
    monkeypatch.setattr(resources, "_affinity", set)  # every CPU counts
    found = resources.measure_cpu(0.0, root=tmp_path, own_seconds=lambda: next(own))
    assert found == resources.Cpu(25.0, "machine")


def move_cpu_times(monkeypatch: pytest.MonkeyPatch, user: float, idle: float) -> None:
    """Let the CPU times move by `user` and `idle` seconds on each CPU between two readings."""
    monkeypatch.undo()
    first = psutil.cpu_times(percpu=True)
    second = [one._replace(user=one.user + user, idle=one.idle + idle) for one in first]
    readings = iter((first, second))
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: next(readings))


def test_load_is_divided_by_the_cpus_of_the_machine() -> None:
    found = resources.read_load()
    assert found.cpus == os.cpu_count()
    assert found.per_cpu == pytest.approx(found.average / found.cpus)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs proc")
def test_a_file_system_that_is_absent_or_without_a_size_is_unmeasured(tmp_path: Path) -> None:
    with pytest.raises(MeasurementUnavailable):
        resources.read_disk(tmp_path / "absent")
    with pytest.raises(MeasurementUnavailable, match="no size"):
        resources.read_disk(Path("/proc"))

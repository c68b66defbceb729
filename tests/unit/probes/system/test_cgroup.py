"""Control groups, on trees made up as the kernel makes them."""

from pathlib import Path

import pytest

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.system import cgroup
from tests.kit.control_groups import v1, v2
from tests.kit.projects import write


def memory(limit: object, used: object, droppable: int = 0) -> dict[str, str]:
    """Return the files of a group of version 2."""
    stat = f"anon 1\nfile 300000\ninactive_file {droppable}\n"
    return {"memory.max": f"{limit}\n", "memory.current": f"{used}\n", "memory.stat": stat}


def below(group: str, files: dict[str, str]) -> dict[str, str]:
    return {f"{group}/{name}": text for name, text in files.items()}


def test_version_2_memory_of_each_group_leaves_out_what_the_kernel_can_drop(
    tmp_path: Path,
) -> None:
    files = below("a/b", memory(1048576, 700000, droppable=200000))
    files |= below("a", memory(4096, 1024)) | memory("max", 1)
    assert cgroup.memory_limits(v2(tmp_path, files)) == (
        cgroup.MemoryLimit("/a/b", 1048576, 500000),
        cgroup.MemoryLimit("/a", 4096, 1024),
    )


def test_version_1_has_the_same_figures_under_other_names(tmp_path: Path) -> None:
    files = {
        "memory/a/memory.limit_in_bytes": "8192",
        "memory/a/memory.usage_in_bytes": "6000",
        "memory/a/memory.stat": "inactive_file 7\ntotal_inactive_file 1000\n",
        "memory/memory.limit_in_bytes": "9223372036854771712",  # none
        "cpu/a/cpu.cfs_quota_us": "25000",
        "cpu/a/cpu.cfs_period_us": "100000",
        "cpu/a/cpuacct.usage": "3000000000",
        "cpu/cpu.cfs_quota_us": "-1",
    }
    root = v1(tmp_path, files)
    assert cgroup.memory_limits(root) == (cgroup.MemoryLimit("/a", 8192, 5000),)
    assert cgroup.cpu_limits(root) == (cgroup.CpuLimit("/a", 0.25),)
    assert cgroup.cpu_seconds(root) == {"/a": 3.0}


def test_a_container_that_sees_only_its_own_group_has_its_limit(tmp_path: Path) -> None:
    own = "/docker/0123abc"
    root = v2(
        tmp_path, memory(4096, 1, droppable=9), f"0::{own}\n", top=own, mount="/my\\040groups"
    )
    assert cgroup.memory_limits(root) == (cgroup.MemoryLimit("/", 4096, 0),)


@pytest.mark.parametrize("membership", ["0::/../../elsewhere\n", "0::/not/there\n"])
def test_a_group_that_can_not_be_seen_falls_to_the_nearest_parent(
    tmp_path: Path, membership: str
) -> None:
    root = v2(tmp_path, memory(4096, 1), membership)
    assert [limit.group for limit in cgroup.memory_limits(root)] == ["/"]


@pytest.mark.parametrize("membership", [None, "", "0::/a/b\n"])
def test_no_groups_and_a_group_without_limits_have_none(
    tmp_path: Path, membership: str | None
) -> None:
    if membership is not None:
        v2(tmp_path, {"a/b/memory.max": "max", "a/b/cpu.max": "max 100000"}, membership)
    assert cgroup.memory_limits(tmp_path) == ()
    assert cgroup.cpu_limits(tmp_path) == ()
    assert cgroup.cpu_seconds(tmp_path) == {}


def test_version_2_cpu_is_quota_and_usage_of_each_group(tmp_path: Path) -> None:
    stat = "usage_usec 2500000\nuser_usec 1\n"
    files = below("a/b", {"cpu.max": "150000 100000\n", "cpu.stat": stat})
    files |= below("a", {"cpu.max": "50000 100000\n", "cpu.stat": "usage_usec 9000000\n"})
    root = v2(tmp_path, files)
    assert cgroup.cpu_limits(root) == (cgroup.CpuLimit("/a/b", 1.5), cgroup.CpuLimit("/a", 0.5))
    assert cgroup.cpu_seconds(root) == {"/a/b": 2.5, "/a": 9.0}


@pytest.mark.parametrize(
    "files",
    [
        *({"memory.max": text} for text in ("lots", "-5", "", "\x00\xff", "9" * 5000, "4096")),
        {"memory.max": "4096", "memory.current": "1"},
        {"memory.max": "4096", "memory.current": "1", "memory.stat": "anon 5"},
        memory("4096", "x"),
    ],
    ids=range(9),
)
def test_a_memory_limit_that_can_not_be_read_is_unmeasured(
    tmp_path: Path, files: dict[str, str]
) -> None:
    with pytest.raises(MeasurementUnavailable):
        cgroup.memory_limits(v2(tmp_path, below("a/b", files)))


@pytest.mark.parametrize("quota", ["x 100000", "0 100000", "50000 0", "1 2 3", "50000 x"])
def test_a_quota_that_can_not_be_read_or_has_no_accounting_is_unmeasured(
    tmp_path: Path, quota: str
) -> None:
    with pytest.raises(MeasurementUnavailable):
        cgroup.cpu_limits(v2(tmp_path, {"a/b/cpu.max": quota}))
    with pytest.raises(MeasurementUnavailable):
        cgroup.cpu_seconds(v2(tmp_path, {"a/b/cpu.max": "50000 100000"}))


@pytest.mark.parametrize("file", ["proc/self/cgroup", "proc/self/mountinfo"])
def test_garbage_from_the_kernel_is_unmeasured(tmp_path: Path, file: str) -> None:
    root = v2(tmp_path, {"a/b/memory.max": "4096"})
    write(root, {file: "gar\x00bage\n"})
    with pytest.raises(MeasurementUnavailable):
        cgroup.memory_limits(root)


def test_a_file_that_can_not_be_read_is_unmeasured_and_named(tmp_path: Path) -> None:
    root = v2(tmp_path, {"a/b/memory.current": "1"})
    (root / "sys/fs/cgroup/a/b/memory.max").mkdir()  # unreadable for root too
    with pytest.raises(MeasurementUnavailable, match=r"memory\.max"):
        cgroup.memory_limits(root)

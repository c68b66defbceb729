"""Control groups, on trees made up as the kernel makes them."""

from pathlib import Path

import pytest

from pytest_flowhealth.errors import Unmeasured
from pytest_flowhealth.probes import cgroup
from tests.kit.control_groups import NO_LIMIT_V1, V2_MOUNT, tree, v1, v2, write


def test_version_2_memory_leaves_out_what_the_kernel_can_drop(tmp_path: Path) -> None:
    root = v2(
        tmp_path,
        {
            "a/b/memory.max": "1048576\n",
            "a/b/memory.current": "700000\n",
            "a/b/memory.stat": "anon 1\nfile 300000\ninactive_file 200000\n",
        },
    )
    assert cgroup.memory_limits(root) == (cgroup.MemoryLimit("/a/b", 1048576, 500000),)


def test_the_limit_of_a_parent_counts_too(tmp_path: Path) -> None:
    stat = "inactive_file 0\n"
    root = v2(
        tmp_path,
        {
            "a/b/memory.max": "max",
            "a/b/memory.current": "1",
            "a/b/memory.stat": stat,
            "a/memory.max": "4096",
            "a/memory.current": "1024",
            "a/memory.stat": stat,
        },
    )
    assert cgroup.memory_limits(root) == (cgroup.MemoryLimit("/a", 4096, 1024),)


def test_version_1_memory_leaves_out_what_the_kernel_can_drop(tmp_path: Path) -> None:
    root = v1(
        tmp_path,
        {
            "memory/a/memory.limit_in_bytes": "8192",
            "memory/a/memory.usage_in_bytes": "6000",
            "memory/a/memory.stat": "inactive_file 7\ntotal_inactive_file 1000\n",
            "memory/memory.limit_in_bytes": NO_LIMIT_V1,
        },
    )
    assert cgroup.memory_limits(root) == (cgroup.MemoryLimit("/a", 8192, 5000),)


def test_a_container_that_sees_only_its_own_group_has_its_limit(tmp_path: Path) -> None:
    membership = "0::/docker/0123abc\n"
    root = v2(
        tmp_path,
        {"memory.max": "4096", "memory.current": "1", "memory.stat": "inactive_file 9"},
        membership,
        top="/docker/0123abc",
    )
    assert cgroup.memory_limits(root) == (cgroup.MemoryLimit("/", 4096, 0),)


@pytest.mark.parametrize("membership", ["0::/../../elsewhere\n", "0::/not/there\n"])
def test_a_group_that_can_not_be_seen_falls_to_the_nearest_parent(
    tmp_path: Path, membership: str
) -> None:
    root = v2(
        tmp_path,
        {"memory.max": "4096", "memory.current": "1", "memory.stat": "inactive_file 0"},
        membership,
    )
    assert [limit.group for limit in cgroup.memory_limits(root)] == ["/"]


@pytest.mark.parametrize("membership", ["", "0::/a/b\n"])
def test_a_group_without_limits_has_none(tmp_path: Path, membership: str) -> None:
    root = v2(tmp_path, {"a/b/memory.max": "max", "a/b/cpu.max": "max 100000"}, membership)
    assert cgroup.memory_limits(root) == ()
    assert cgroup.cpu_limits(root) == ()
    assert cgroup.cpu_seconds(root) == {}


def test_a_machine_without_control_groups_has_no_limits(tmp_path: Path) -> None:
    assert cgroup.memory_limits(tmp_path) == ()
    assert cgroup.cpu_limits(tmp_path) == ()


def test_version_2_cpu_is_quota_and_usage_of_each_group(tmp_path: Path) -> None:
    root = v2(
        tmp_path,
        {
            "a/b/cpu.max": "150000 100000\n",
            "a/b/cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
            "a/cpu.max": "50000 100000\n",
            "a/cpu.stat": "usage_usec 9000000\n",
        },
    )
    assert cgroup.cpu_limits(root) == (cgroup.CpuLimit("/a/b", 1.5), cgroup.CpuLimit("/a", 0.5))
    assert cgroup.cpu_seconds(root) == {"/a/b": 2.5, "/a": 9.0}


def test_version_1_cpu_is_quota_and_usage_of_each_group(tmp_path: Path) -> None:
    root = v1(
        tmp_path,
        {
            "cpu/a/cpu.cfs_quota_us": "25000",
            "cpu/a/cpu.cfs_period_us": "100000",
            "cpu/a/cpuacct.usage": "3000000000",
            "cpu/cpu.cfs_quota_us": "-1",
        },
    )
    assert cgroup.cpu_limits(root) == (cgroup.CpuLimit("/a", 0.25),)
    assert cgroup.cpu_seconds(root) == {"/a": 3.0}


def test_a_mount_with_a_space_in_its_name_is_found(tmp_path: Path) -> None:
    mount = V2_MOUNT.format(top="/", mount="/my\\040groups")
    files = {"memory.max": "9", "memory.current": "4", "memory.stat": "inactive_file 0"}
    root = tree(tmp_path, "0::/\n", [mount], {f"my groups/{k}": v for k, v in files.items()})
    assert cgroup.memory_limits(root) == (cgroup.MemoryLimit("/", 9, 4),)


@pytest.mark.parametrize(
    "files",
    [
        {"a/b/memory.max": "lots"},
        {"a/b/memory.max": "-5"},
        {"a/b/memory.max": ""},
        {"a/b/memory.max": "\x00\xff"},
        {"a/b/memory.max": "9" * 5000},
        {"a/b/memory.max": "4096"},
        {"a/b/memory.max": "4096", "a/b/memory.current": "1"},
        {"a/b/memory.max": "4096", "a/b/memory.current": "1", "a/b/memory.stat": "anon 5"},
        {"a/b/memory.max": "4096", "a/b/memory.current": "x", "a/b/memory.stat": "inactive_file 0"},
    ],
)
def test_a_memory_limit_that_can_not_be_read_is_unmeasured(
    tmp_path: Path, files: dict[str, str]
) -> None:
    with pytest.raises(Unmeasured):
        cgroup.memory_limits(v2(tmp_path, files))


@pytest.mark.parametrize("quota", ["x 100000", "0 100000", "50000 0", "1 2 3", "50000 x"])
def test_a_quota_that_can_not_be_read_is_unmeasured(tmp_path: Path, quota: str) -> None:
    with pytest.raises(Unmeasured):
        cgroup.cpu_limits(v2(tmp_path, {"a/b/cpu.max": quota}))


def test_a_quota_without_accounting_is_unmeasured(tmp_path: Path) -> None:
    with pytest.raises(Unmeasured):
        cgroup.cpu_seconds(v2(tmp_path, {"a/b/cpu.max": "50000 100000"}))


@pytest.mark.parametrize("file", ["proc/self/cgroup", "proc/self/mountinfo"])
def test_garbage_from_the_kernel_is_unmeasured(tmp_path: Path, file: str) -> None:
    root = v2(tmp_path, {"a/b/memory.max": "4096"})
    write(root, {file: "gar\x00bage\n"})
    with pytest.raises(Unmeasured):
        cgroup.memory_limits(root)


def test_a_file_that_can_not_be_read_is_unmeasured_and_named(tmp_path: Path) -> None:
    root = v2(tmp_path, {"a/b/memory.current": "1"})
    (root / "sys/fs/cgroup/a/b/memory.max").mkdir()  # unreadable for root too
    with pytest.raises(Unmeasured, match=r"memory\.max"):
        cgroup.memory_limits(root)

"""What the control groups of this process allow it: memory and CPU time.

A container sees the whole machine in /proc; what it may use stands in its
control group and in each of that group's parents. Formats:
https://docs.kernel.org/admin-guide/cgroup-v2.html, for version 1
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html and
https://docs.kernel.org/scheduler/sched-bwc.html, mounts and membership in
proc(5) and cgroups(7).

A group without a limit is not in the answers. A limit that stands there and
can't be read raises `MeasurementUnavailable`: it is never taken for "no limit".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from pytest_flowhealth.errors import MeasurementUnavailable

_UNLIMITED = 2**60
"""Version 1 writes the largest page-aligned integer for "no limit"."""


class Group(msgspec.Struct, frozen=True):
    """One control group: its folder, the mount it is in and that mount's version."""

    folder: Path
    mount: Path
    version: Literal[1, 2]

    @property
    def name(self) -> str:
        """The group's path below its mount, `/` for the topmost that can be seen."""
        return f"/{self.folder.relative_to(self.mount)}".removesuffix(".")


class MemoryLimit(msgspec.Struct, frozen=True):
    """The memory that one group may use and uses, in bytes; what the kernel can drop is not in `used`."""

    group: str
    limit: int
    used: int


class CpuLimit(msgspec.Struct, frozen=True):
    """The CPU time that one group may use: `cpus` seconds a second."""

    group: str
    cpus: float


def memory_limits(root: Path = Path("/"), process: str = "self") -> tuple[MemoryLimit, ...]:
    """Return the memory limit of a process's group and of each parent that has one.

    Args:
        root: The folder that holds `proc` and the mounts that proc/self/mountinfo names.
        process: Its number; "self" for this one.

    Raises:
        MeasurementUnavailable: A limit or its use is there and can't be read.
    """
    found = (_memory_limit(group) for group in _groups(root, "memory", process))
    return tuple(limit for limit in found if limit is not None)


def cpu_limits(root: Path = Path("/"), process: str = "self") -> tuple[CpuLimit, ...]:
    """Return the CPU quota of a process's group and of each parent that has one.

    Args:
        root: As for `memory_limits`.
        process: As for `memory_limits`.

    Raises:
        MeasurementUnavailable: A quota is there and can't be read.
    """
    found = (_cpu_limit(group) for group in _groups(root, "cpu", process))
    return tuple(limit for limit in found if limit is not None)


def cpu_seconds(root: Path = Path("/")) -> dict[str, float]:
    """Return the CPU seconds used so far, by group name, of the groups that have a quota.

    Args:
        root: As for `memory_limits`.

    Raises:
        MeasurementUnavailable: A group has a quota, and what it used can't be read.
    """
    accounting = {group.name: group for group in _groups(root, "cpuacct") if group.version == 1}
    limited = [group for group in _groups(root, "cpu") if _cpu_limit(group)]
    return {group.name: _cpu_seconds(group, accounting) for group in limited}


def throttled(root: Path = Path("/")) -> int | None:
    """Return how many times the groups with a CPU quota were throttled so far; None where that can't be read.

    Args:
        root: As for `memory_limits`.
    """
    try:
        limited = [group for group in _groups(root, "cpu") if _cpu_limit(group)]
        return sum(_field(group, "cpu.stat", "nr_throttled") for group in limited)
    except MeasurementUnavailable:
        return None


def _memory_limit(group: Group) -> MemoryLimit | None:
    v2 = group.version == 2
    text = _read(group.folder / ("memory.max" if v2 else "memory.limit_in_bytes"))
    if text is None or text == "max":
        return None
    limit = _number(text, group, "memory limit")
    if limit >= _UNLIMITED:
        return None
    usage = _demand(group, "memory.current" if v2 else "memory.usage_in_bytes")
    reclaimable = "inactive_file" if v2 else "total_inactive_file"
    dropped = _field(group, "memory.stat", reclaimable)
    return MemoryLimit(group.name, limit, max(0, _number(usage, group, "memory use") - dropped))


def _cpu_limit(group: Group) -> CpuLimit | None:
    if group.version == 2:
        text = _read(group.folder / "cpu.max")
        quota, _, period = (text or "max").partition(" ")
    else:
        quota = _read(group.folder / "cpu.cfs_quota_us") or "-1"
        period = "" if quota == "-1" else _demand(group, "cpu.cfs_period_us")
    if quota in {"max", "-1"}:
        return None
    allowed = _number(quota, group, "CPU quota")
    every = _number(period or "100000", group, "CPU period")
    if not allowed or not every:
        raise MeasurementUnavailable(
            f"the CPU quota of control group {group.name} is {quota} of {period}"
        )
    return CpuLimit(group.name, allowed / every)


def _cpu_seconds(group: Group, accounting: dict[str, Group]) -> float:
    if group.version == 2:
        return _field(group, "cpu.stat", "usage_usec") / 1e6
    counted = accounting.get(group.name)
    if counted is None:
        raise MeasurementUnavailable(
            f"the CPU time of control group {group.name} is not accounted for"
        )
    return _number(_demand(counted, "cpuacct.usage"), counted, "CPU time") / 1e9


def _groups(root: Path, controller: str, process: str = "self") -> Iterator[Group]:
    """Yield a process's group of `controller`, then its parents up to the mount."""
    memberships = _memberships(root, process)
    for version, top, mount in _mounts(root, controller):
        path = memberships.get(controller if version == 1 else "")
        if path is None:
            continue
        folder = _folder(path, top, mount)
        while folder != mount:
            yield Group(folder, mount, version)
            folder = folder.parent
        yield Group(mount, mount, version)


def _folder(path: str, top: str, mount: Path) -> Path:
    """Return where the group `path` is seen below `mount`, which shows `top`.

    A container without a namespace of its own reads the host's path in
    /proc/self/cgroup, and has only its own group mounted: then it is the mount.
    """
    below = path.removeprefix(top.rstrip("/")) if path.startswith(top) else ""
    parts = [part for part in below.split("/") if part]
    if ".." in parts:
        return mount
    folder = mount.joinpath(*parts)
    while folder != mount and not folder.is_dir():
        folder = folder.parent
    return folder


def _memberships(root: Path, process: str) -> dict[str, str]:
    """Return the process's group path by controller; version 2's has the name ""."""
    lines = (_read(root / "proc" / process / "cgroup") or "").splitlines()
    found = {}
    for line in lines:
        fields = line.split(":", 2)
        if len(fields) != 3 or not fields[2].startswith("/"):
            raise MeasurementUnavailable(
                f"/proc/{process}/cgroup has a line that can't be read: {line[:40]!r}"
            )
        found.update(dict.fromkeys(fields[1].split(","), fields[2]))
    return found


def _mounts(root: Path, controller: str) -> Iterator[tuple[Literal[1, 2], str, Path]]:
    """Yield version, shown path and folder of the mounts that may hold `controller`."""
    for line in (_read(root / "proc/self/mountinfo") or "").splitlines():
        before, _, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if len(left) < 5 or len(right) < 3:
            raise MeasurementUnavailable(
                f"/proc/self/mountinfo has a line that can't be read: {line[:40]!r}"
            )
        top, folder = _unescape(left[3]), root / _unescape(left[4]).lstrip("/")
        if right[0] == "cgroup2":
            yield 2, top, folder
        elif right[0] == "cgroup" and controller in right[2].split(","):
            yield 1, top, folder


def _unescape(text: str) -> str:
    """Undo the octal escapes of mountinfo (proc(5)): space, tab, newline, backslash."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _read(path: Path) -> str | None:
    """Return the text of one of the kernel's files, `None` where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(1 << 20).decode("utf-8", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise MeasurementUnavailable(
            f"{path.name} of a control group can't be read: {error.strerror}"
        ) from None


def _demand(group: Group, name: str) -> str:
    text = _read(group.folder / name)
    if text is None:
        raise MeasurementUnavailable(f"control group {group.name} has a limit, and no {name}")
    return text


def _field(group: Group, name: str, field: str) -> int:
    """Return one `field` of a file of lines such as `inactive_file 4096`."""
    for line in _demand(group, name).splitlines():
        key, _, value = line.partition(" ")
        if key == field:
            return _number(value, group, field)
    raise MeasurementUnavailable(f"{name} of control group {group.name} has no {field}")


def _number(text: str, group: Group, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise MeasurementUnavailable(
            f"the {what} of control group {group.name} is no number: {text[:40]!r}"
        )
    return int(text)

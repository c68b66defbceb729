"""The machine, or the part of it that a container may use: memory, CPU, load, disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_flowhealth.probes.system.resources import (
        Cpu,
        CpuMeter,
        Disk,
        Load,
        Memory,
        measure_cpu,
        read_disk,
        read_load,
        read_memory,
    )

__all__ = [
    "Cpu",
    "CpuMeter",
    "Disk",
    "Load",
    "Memory",
    "measure_cpu",
    "read_disk",
    "read_load",
    "read_memory",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pytest_flowhealth.probes.system import resources

    return getattr(resources, name)

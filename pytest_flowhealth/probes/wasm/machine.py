"""What disturbs a benchmark: throttling by the control group or by heat, other load, frequency scaling."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec
import psutil

from pytest_flowhealth.probes.system import cgroup

_CPU = Path("/sys/devices/system/cpu")
_STEADY = frozenset({"performance"})


class MachineConditions(msgspec.Struct, frozen=True):
    """The machine at one moment; counters only grow.

    Attributes:
        throttled: Times that the control group was throttled, None where that can't be read.
        hot: Times that heat throttled a core, None where that can't be read.
        governors: The frequency governors in use.
        load: Processes that run or wait, per CPU, over the last minute; None where unknown.
    """

    throttled: int | None
    hot: int | None
    governors: tuple[str, ...]
    load: float | None


def read_conditions() -> MachineConditions:
    """Return the machine as it is now."""
    load = None
    with contextlib.suppress(OSError, AttributeError):
        load = psutil.getloadavg()[0] / (psutil.cpu_count() or 1)
    return MachineConditions(cgroup.throttled(), _hot(), _governors(), load)


def describe_disturbances(before: MachineConditions, after: MachineConditions) -> list[str]:
    """Return a sentence for each thing that disturbed what was measured in between."""
    notes = []
    if _grew(before.throttled, after.throttled):
        notes.append("the control group's CPU limit throttled the processes")
    if _grew(before.hot, after.hot):
        notes.append("a core was throttled by its heat")
    unsteady = [governor for governor in after.governors if governor not in _STEADY]
    if unsteady:
        notes.append(f"the CPU's frequency is scaled (governor {', '.join(unsteady)})")
    return notes


def _grew(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before


def _hot() -> int | None:
    counts = [_number(path) for path in _CPU.glob("cpu[0-9]*/thermal_throttle/core_throttle_count")]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _governors() -> tuple[str, ...]:
    found = set()
    for path in _CPU.glob("cpu[0-9]*/cpufreq/scaling_governor"):
        with contextlib.suppress(OSError):
            found.add(path.read_text().strip())
    return tuple(sorted(found))


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None

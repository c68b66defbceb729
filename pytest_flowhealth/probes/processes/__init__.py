"""CPU, memory and number of an application's processes, found by pid, name or command line.

The `process_probe` fixture is a `ProcessProbe`; its results are `ProcessUsage` structs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flowhealth.lazy_names import make_getattr

if TYPE_CHECKING:
    from pytest_flowhealth.probes.processes.usage import ProcessProbe, ProcessUsage

__all__ = ["ProcessProbe", "ProcessUsage"]

__getattr__ = make_getattr(__name__, dict.fromkeys(__all__, "usage"))

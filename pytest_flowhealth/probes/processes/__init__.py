"""CPU, memory and number of an application's processes, found by pid, name or command line.

The `process_probe` fixture is a `ProcessProbe`; its results are `ProcessUsage` structs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_flowhealth.probes.processes.usage import ProcessProbe, ProcessUsage

__all__ = ["ProcessProbe", "ProcessUsage"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pytest_flowhealth.probes.processes import usage

    return getattr(usage, name)

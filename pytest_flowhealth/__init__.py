"""Health checks for Node/npm applications as pytest tests: a green answer is true.

What a check or a conftest.py needs is imported from here; it is looked up when
it is first used, so that an ordinary suite pays nothing for the plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_flowhealth.config.target import Target
    from pytest_flowhealth.errors import (
        CheckFailed,
        FlowHealthError,
        MeasurementUnavailable,
        NotApplicable,
        UsageError,
    )
    from pytest_flowhealth.plugin.answers import Answer, answer
    from pytest_flowhealth.plugin.health import Health
    from pytest_flowhealth.plugin.runner import HealthWarning

__all__ = [
    "Answer",
    "CheckFailed",
    "FlowHealthError",
    "Health",
    "HealthWarning",
    "MeasurementUnavailable",
    "NotApplicable",
    "Target",
    "UsageError",
    "answer",
]

_HOMES = {
    "Answer": "plugin.answers",
    "Health": "plugin.health",
    "HealthWarning": "plugin.runner",
    "Target": "config.target",
    "answer": "plugin.answers",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)

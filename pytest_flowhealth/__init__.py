"""Health checks for Node/npm applications as pytest tests.

Checks and conftest.py files import what they need from here and from `pytest_flowhealth.probes`.
A name is imported when it is first used, so that an ordinary suite pays nothing for the plugin.

PYTEST_DONT_REWRITE: a health run imports this package when Python starts, before pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_flowhealth.alerts.channels.errors import (
        DeliveryError,
        PermanentError,
        RetryableError,
    )
    from pytest_flowhealth.alerts.message import Alert, Message
    from pytest_flowhealth.config.manifest import Manifest, Package
    from pytest_flowhealth.config.target import Target
    from pytest_flowhealth.domain.checks import CheckResult
    from pytest_flowhealth.domain.report import Document, Report
    from pytest_flowhealth.domain.statistics import Statistics, summarise
    from pytest_flowhealth.domain.units import parse_duration, parse_size
    from pytest_flowhealth.errors import (
        CheckFailed,
        FlowHealthError,
        MeasurementUnavailable,
        NotApplicable,
        UsageError,
    )
    from pytest_flowhealth.plugin.execution.fixture import Health
    from pytest_flowhealth.plugin.execution.prefetch import prefetch
    from pytest_flowhealth.plugin.execution.runner import HealthWarning

__all__ = [
    "Alert",
    "CheckFailed",
    "CheckResult",
    "DeliveryError",
    "Document",
    "FlowHealthError",
    "Health",
    "HealthWarning",
    "Manifest",
    "MeasurementUnavailable",
    "Message",
    "NotApplicable",
    "Package",
    "PermanentError",
    "Report",
    "RetryableError",
    "Statistics",
    "Target",
    "UsageError",
    "parse_duration",
    "parse_size",
    "prefetch",
    "summarise",
]

_MODULES = {
    "Alert": "alerts.message",
    "CheckResult": "domain.checks",
    "DeliveryError": "alerts.channels.errors",
    "Document": "domain.report",
    "Health": "plugin.execution.fixture",
    "HealthWarning": "plugin.execution.runner",
    "Manifest": "config.manifest",
    "Message": "alerts.message",
    "Package": "config.manifest",
    "PermanentError": "alerts.channels.errors",
    "Report": "domain.report",
    "RetryableError": "alerts.channels.errors",
    "Statistics": "domain.statistics",
    "Target": "config.target",
    "parse_duration": "domain.units",
    "parse_size": "domain.units",
    "prefetch": "plugin.execution.prefetch",
    "summarise": "domain.statistics",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)

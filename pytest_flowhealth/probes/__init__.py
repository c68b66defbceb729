"""Probes: each measures one thing outside, does not depend on pytest, and never judges.

The subjects are packages of their own, such as `pytest_flowhealth.probes.project`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_flowhealth.probes.listing import list_findings, raise_worst

__all__ = ["list_findings", "raise_worst"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pytest_flowhealth.probes import listing

    return getattr(listing, name)

"""Probes: each measures one thing outside, does not depend on pytest, and never judges.

The subjects are packages of their own, such as `pytest_flowhealth.probes.project`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flowhealth.lazy_names import make_getattr

if TYPE_CHECKING:
    from pytest_flowhealth.probes.listing import list_findings, raise_worst

__all__ = ["list_findings", "raise_worst"]

__getattr__ = make_getattr(__name__, dict.fromkeys(__all__, "listing"))

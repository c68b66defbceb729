"""Where the run under way is kept on pytest's config; apart, so that looking costs no import."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_flowhealth.plugin.state import Run

RUN: pytest.StashKey[Run] = pytest.StashKey()

TOLD: pytest.StashKey[bool] = pytest.StashKey()
"""Whether the outputs have been written with how the run ended."""

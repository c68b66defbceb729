"""health+json, as the draft has it: fail closed, and each figure with its own verdict."""

from __future__ import annotations

import json

import msgspec
import pytest

from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.formats.health_json import render
from tests.formats.test_openmetrics import HEALTH


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (Status.HEALTHY, "pass"),
        (Status.DEGRADED, "warn"),
        (Status.UNKNOWN, "fail"),
        (Status.UNHEALTHY, "fail"),
    ],
)
def test_the_status(status: Status, word: str) -> None:
    found = json.loads(render(msgspec.structs.replace(HEALTH, status=status)))
    assert found["status"] == word
    assert status.value in found["description"]


def test_the_figures() -> None:
    found = json.loads(render(HEALTH))
    names = {one.id for one in HEALTH.checks if one.outcome.value != "skip"}
    told = {one["componentId"] for ones in found["checks"].values() for one in ones}
    assert told == names
    for key, ones in found["checks"].items():
        assert ":" in key
        for one in ones:
            # A figure without limits says nothing of how well anything is.
            assert one.get("status", "pass") in ("pass", "warn", "fail")
            assert "status" in one or "observedValue" in one
            assert one["time"].endswith("Z")
            assert ("observedValue" in one) is ("observedUnit" in one)

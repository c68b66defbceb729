"""Figures of a fleet beside what is known of it."""

import json
from pathlib import Path

import pytest

from tests.kit.runs import run_components

pytestmark = pytest.mark.accuracy


def test_a_start_that_sleeps_a_second_takes_a_second(tmp_path: Path) -> None:
    command = ["sh", "-c", "sleep 1; echo ready; sleep 60"]
    (tmp_path / "flowhealth.toml").write_text(f"[fleet.spawn]\ncommand = {json.dumps(command)}\n")

    def median() -> float:
        run = run_components(tmp_path, "fleet")
        assert run.outcomes["fleet.spawn"] == "pass"
        (spawn,) = run.check("fleet.spawn")["measurements"]
        assert spawn["stats"]["count"] == 5
        assert spawn["stats"]["min"] >= 1_000
        return float(spawn["stats"]["median"])

    # The machine is shared: the whole measurement up to three times.
    assert any(median() <= 1_100 for _ in range(3))

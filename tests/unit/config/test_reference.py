"""The reference in docs/ is the one that the structs give."""

from __future__ import annotations

from pathlib import Path

from pytest_flowhealth.config.reference import render


def test_the_reference_is_up_to_date() -> None:
    written = (Path(__file__).parents[2] / "docs/configuration.md").read_text()

    command = "python -m pytest_flowhealth.config.reference > docs/configuration.md"
    assert written == render(), f"run: {command}"

"""Exports: what a spreadsheet would run as a formula is text."""

from pytest_flowhealth.web.history_api import render_csv


def test_formulas_are_quoted_and_lists_are_joined() -> None:
    rows = [{"cause": "=1+1", "blocked": ["a.b", "c.d"], "seconds": -1.5, "until": None}]
    assert render_csv(rows).splitlines() == ["cause,blocked,seconds,until", "'=1+1,a.b c.d,-1.5,"]
    assert render_csv([]) == ""

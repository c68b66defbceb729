"""Every rule and every bundled check has its section in the runbook, where its alert's link leads."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from pytest_flowhealth.alerts.observing import ROUND, link
from pytest_flowhealth.alerts.rules import built_in

ROOT = Path(__file__).parents[2]


def checks() -> set[str]:
    """Return the ids of the bundled checks, as their files declare them."""
    found = set()
    for path in (ROOT / "checks").glob("test_*.py"):
        component = path.stem.removeprefix("test_")
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found.add(f"{component}.{node.name.removeprefix('test_')}")
    return found


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text()
    headings = re.findall(r"^### (.+)$", text, re.MULTILINE)

    assert sorted(headings) == sorted({*checks(), ROUND, *(one.name for one in built_in())})


def test_links_lead_to_sections() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text()
    headings = re.findall(r"^### (.+)$", text, re.MULTILINE)
    slugs = {link("docs/runbook.md", one) for one in headings}

    assert len(slugs) == len(headings)
    assert {f"docs/runbook.md{one}" for one in re.findall(r"\]\((#[^)]+)\)", text)} == slugs


def test_a_parametrised_check_leads_to_its_function() -> None:
    assert link("docs/runbook.md", "http.page[login]") == "docs/runbook.md#httppage"
    assert link("https://wiki/x#y", "http.page") == "https://wiki/x#y"

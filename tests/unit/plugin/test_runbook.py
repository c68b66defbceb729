"""The runbook has a section for each alert that there can be, and alerts' links lead there."""

import ast
import re
from collections import Counter
from pathlib import Path

from pytest_flowhealth.alerts.evaluation import DELIVERY, PART, ROUND, make_runbook_link
from pytest_flowhealth.alerts.rules import read_built_in_rules
from pytest_flowhealth.config.alerts import Alerts
from pytest_flowhealth.plugin.collection import bundled

PAGE = Path(__file__).parents[3] / "docs" / "runbook.md"
TEXT = PAGE.read_text(encoding="utf-8")
PARTS = ("Look", "Do", "Causes")


def bundled_checks() -> set[str]:
    """Return the ids of the bundled checks."""
    return {
        f"{path.stem.removeprefix('test_')}.{node.name.removeprefix('test_')}"
        for path in bundled.find_folder().glob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def headings(level: int) -> list[str]:
    return re.findall(rf"^{'#' * level} (.+)$", TEXT, re.MULTILINE)


def sections() -> dict[str, str]:
    """Return the text of each section by its heading."""
    found = re.split(r"^#{2,3} (.+)$", TEXT, flags=re.MULTILINE)
    texts = dict(zip(found[1::2], found[2::2], strict=True))
    return {name: text.strip() for name, text in texts.items() if name in headings(3)}


def slug(heading: str) -> str:
    link = make_runbook_link(Alerts(runbook_url="https://wiki/"), heading)
    assert link is not None
    return link.removeprefix("https://wiki/")


def test_each_check_and_each_rule_has_its_section_and_nothing_else_has() -> None:
    expected = (
        bundled_checks() | {one.name for one in read_built_in_rules()} | {ROUND, DELIVERY, PART}
    )

    assert {*sections()} == expected
    assert len(headings(3)) == len(expected)


def test_no_two_sections_have_one_address() -> None:
    counts = Counter(slug(one) for level in (1, 2, 3) for one in headings(level))

    assert [name for name, count in counts.items() if count > 1] == []


def test_every_link_within_the_page_leads_somewhere() -> None:
    there = {slug(one) for level in (2, 3) for one in headings(level)}

    assert set(re.findall(r"\]\((#[^)]+)\)", TEXT)) <= there


def test_the_contents_name_every_section_once() -> None:
    contents = TEXT.partition("\n## ")[0]

    named = re.findall(r"\[([^\]]+)\]\((#[^)]+)\)", contents)

    assert named == [(one, slug(one)) for one in headings(3)]


def test_every_section_says_what_it_means_what_to_look_at_and_what_to_do() -> None:
    for name, text in sections().items():
        meaning, *parts = re.split(r"^- \*\*(.+?):\*\*", text, flags=re.MULTILINE)
        assert meaning.strip(), name
        assert tuple(parts[::2]) == PARTS, name
        assert all(one.strip() for one in parts[1::2]), name

"""The docs name every option, and files that exist."""

import re
from pathlib import Path

from pytest_flowhealth.plugin.options import OPTIONS

ROOT = Path(__file__).parents[3]


def test_every_option_occurs_in_the_docs() -> None:
    text = "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))

    assert [name for name, _ in OPTIONS if f"`{name}" not in text] == []


def test_every_link_to_a_file_has_its_file() -> None:
    for page in (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in headings}


def test_every_link_to_a_heading_has_its_heading() -> None:
    for page in (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")):
        for file, anchor in re.findall(r"\]\(([^)#:\s]*)#([^)\s]+)\)", page.read_text()):
            assert anchor in anchors(page.parent / file if file else page), (
                f"{page.name}: {file}#{anchor}"
            )


def test_no_placeholder_is_left_in_the_docs() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        assert not re.search(r"\b(CAPTURE|OVERHEAD|[A-Z]+_FIGURES)\b", page.read_text()), page.name

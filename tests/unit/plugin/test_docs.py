"""The docs name every option, and files that exist."""

import ast
import json
import re
import textwrap
import tomllib
from collections.abc import Callable
from pathlib import Path

import click

from pytest_flowhealth.cli.main import cli
from pytest_flowhealth.config.decode import Decoder
from pytest_flowhealth.plugin.options import OPTIONS
from pytest_flowhealth.scaffold.plan import SCRIPTS

ROOT = Path(__file__).parents[3]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
COMMAND = re.compile(r"(?:^ *|`|\$ |&& |bin/)flowhealth ([a-z][a-z-]*(?: [a-z-]+)?)", re.MULTILINE)
READERS: dict[str, Callable[[str], object]] = {
    "python": ast.parse,
    "json": json.loads,
    "toml": tomllib.loads,
}


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


def test_every_option_in_the_docs_exists() -> None:
    known = {name for name, _ in OPTIONS}

    for page in PAGES:
        used = set(re.findall(r"--health[a-z-]*", page.read_text()))
        assert used - known == set(), page.name


def test_every_command_in_the_docs_exists() -> None:
    for page in PAGES:
        for words in COMMAND.findall(code(page)):
            find_command(words.split(), page.name)


def code(page: Path) -> str:
    """Return what a page shows as code: blocks, indented lines and words between backquotes."""
    text = page.read_text()
    return "\n".join(re.findall(r"```\w*\n.*?```|^    .*$|`[^`]+`", text, re.DOTALL | re.MULTILINE))


def find_command(words: list[str], page: str) -> None:
    """Assert that the words begin with a command, and with a command of its own if it has some."""
    command = cli.get_command(click.Context(cli), words[0])
    if isinstance(command, click.Group) and len(words) > 1 and not words[1].startswith("-"):
        assert words[1] in command.commands, f"{page}: flowhealth {' '.join(words)}"


def test_every_block_of_code_in_the_docs_can_be_read() -> None:
    for page in PAGES:
        for kind, block in re.findall(r"```(\w+)\n(.*?)```", page.read_text(), re.DOTALL):
            try:
                READERS.get(kind, str)(block)
            except ValueError as error:
                raise AssertionError(f"{page.name}: {error}\n{block}") from error


def test_the_npm_scripts_are_documented_as_they_are_written() -> None:
    page = (ROOT / "docs/claude-flow-novice.md").read_text()

    assert [
        name for name, line in SCRIPTS.items() if f"`npm run {name}` | `{line}`" not in page
    ] == []


def test_every_configuration_in_the_docs_is_valid() -> None:
    """Those with `...` in the place of a secret, and those of other distributions, are left out."""
    for page in (page for page in PAGES if page.name != "extending.md"):
        for block in re.findall(
            r"^ *```toml\n(.*?)```", page.read_text(), re.DOTALL | re.MULTILINE
        ):
            if "..." in block:
                continue
            decoder = Decoder(page.name)
            decoder.table(tomllib.loads(textwrap.dedent(block)))
            assert decoder.problems == []

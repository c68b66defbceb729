"""A reader by another author for each format, and what it makes of a text."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import jsonschema
import junitparser
import msgspec
import xmlschema
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.formats import github, json_lines

JUNIT_SCHEMA = xmlschema.XMLSchema(str(Path(__file__).with_name("junit.xsd")))
LINE_SCHEMA = jsonschema.Draft202012Validator(json_lines.schema())

STATUSES = {
    "health+json": {"healthy": "pass", "degraded": "warn", "unhealthy": "fail", "unknown": "fail"},
    "nagios": {
        "healthy": "OK",
        "degraded": "WARNING",
        "unhealthy": "CRITICAL",
        "unknown": "UNKNOWN",
    },
    "openmetrics": {"healthy": "0", "degraded": "1", "unhealthy": "2", "unknown": "3"},
}
"""How formats with words of their own name a status."""


class Reading(NamedTuple):
    """What a reader made of a text, in the format's own words; figures are in the golden files."""

    status: str
    outcomes: dict[str, str]


# Nagios


def nagios(text: str, health: Report) -> Reading:
    first, *lines = text.splitlines()
    shown, _, figures = first.partition("|")
    assert "|" not in "".join([figures, *lines])
    outcomes = {}
    for line in lines:
        match = re.match(r"(PASS|WARN|FAIL|UNKNOWN|SKIP) (\S+?):?(?: |$)", line)
        if match and match[2] != "the":
            outcomes[match[2]] = match[1].lower()
    return Reading(shown.partition(":")[0], outcomes)


_PERL = """
use Monitoring::Plugin::Performance; use JSON::PP; local $/; my @found;
for my $p (Monitoring::Plugin::Performance->parse_perfstring(<STDIN>)) {
  my $t = ($p->warning || $p->critical) ? $p->threshold : undef;
  push @found, {label => $p->label, value => $p->value, uom => $p->uom,
    state => $t ? $t->get_status($p->value) : 0};
}
print encode_json(\\@found);
"""


def perfdata(text: str) -> list[dict[str, Any]]:
    """Return what Monitoring::Plugin::Performance reads, and how it judges each value by its ranges."""
    figures = text.splitlines()[0].partition("|")[2].strip()
    done = subprocess.run(
        ["perl", "-e", _PERL], input=figures, capture_output=True, text=True, check=True
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


_FIGURE = re.compile(
    r"'([^'=|]+)'=(-?[0-9]+(?:\.[0-9]+)?)(us|ms|s|%|B)?"
    r"(?:;((?:~:)?-?[0-9.]+:?)?)?(?:;((?:~:)?-?[0-9.]+:?)?)?(?: |\Z)"
)


def by_guidelines(text: str) -> dict[str, tuple[float, str]]:
    """Return the figures by the grammar of the guidelines; raise where something else is there."""
    figures = text.splitlines()[0].partition("|")[2].strip()
    found, at = {}, 0
    while at < len(figures):
        match = _FIGURE.match(figures, at)
        assert match, figures[at : at + 80]
        found[match[1]] = (float(match[2]), match[3] or "")
        at = match.end()
    return found


# JUnit


def junit(text: str, health: Report) -> Reading:
    JUNIT_SCHEMA.validate(text)
    found = junitparser.JUnitXml.fromstring(text.encode())
    outcomes, verdicts = {}, set()
    for suite in found:
        verdicts |= {one.value for one in suite.properties() if one.name == "verdict"}
        for case in suite:
            component = str(case.classname).removeprefix("flowhealth.")
            (*results,) = case.result
            kinds = [type(result).__name__.lower() for result in results]
            assert len(kinds) <= 1
            words = {"failure": "fail", "error": "unknown", "skipped": "skip"}
            word = words[kinds[0]] if kinds else "pass"
            if component == "run":
                outcomes[f"run {case.name}"] = word
                continue
            (outcome,) = (one.value for one in _properties(case) if one.name == "outcome")
            if outcome == "warn":
                assert str(case.system_out).startswith("WARN: ")
            assert word == ("pass" if outcome == "warn" else outcome)
            outcomes[f"{component}.{case.name}"] = outcome
    (verdict,) = verdicts
    return Reading(str(verdict), outcomes)


def _properties(case: junitparser.TestCase) -> list[junitparser.Property]:
    return [one for group in case.iterchildren(junitparser.Properties) for one in group]


# GitHub: how its runner reads a line (ActionCommand.TryParseV2 in actions/runner)


class Command(msgspec.Struct):
    """A workflow command."""

    name: str
    properties: dict[str, str]
    data: str


def commands(text: str) -> Iterator[Command]:
    """Yield the commands that the runner finds: a line each, as .NET reads lines."""
    for line in re.split(r"\r\n|\r|\n", text):
        stripped = line.lstrip()
        end = stripped.find("::", 2)
        if not stripped.startswith("::") or end < 0:
            assert stripped == "", stripped
            continue
        name, _, told = stripped[2:end].partition(" ")
        pairs = [one.partition("=")[::2] for one in told.strip().split(",") if one]
        yield Command(
            name, {key: _plain(value) for key, value in pairs}, _plain(stripped[end + 2 :])
        )


def _plain(text: str) -> str:
    for escaped, meant in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escaped, meant)
    return text


def workflow(text: str, health: Report) -> Reading:
    outcomes = {}
    found = list(commands(text))
    for one in found:
        assert one.name in ("error", "warning", "notice")
        assert set(one.properties) <= {"file", "line", "title"}
        word, _, name = one.properties["title"].partition(": ")
        if one.name != "notice" and name:
            outcomes[name.removesuffix(" (not critical)")] = word
    status = found[-1].properties["title"].partition(":")[0].lower()
    table = markdown(github.render_summary(health), health)
    assert table.status == status
    return Reading(status, outcomes)


# Markdown


def markdown(text: str, health: Report) -> Reading:
    tree = SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(text))
    status, outcomes, title = "", {}, ""
    for node in tree.children:
        assert node.type in ("heading", "paragraph", "bullet_list", "fence", "table"), node.type
        if node.type == "heading":
            title = _shown(node)
            status = status or title.partition(":")[0].lower()
        if node.type == "table":
            head, *rows = [
                [_shown(cell) for cell in row.children]
                for part in node.children
                for row in part.children
            ]
            assert all(len(row) == len(head) for row in rows)
            if title == "Checks":
                outcomes = {row[0]: row[1] for row in rows}
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert "<script" not in html
    assert "<a " not in html
    assert "<strong>b" not in html
    return Reading(status, outcomes)


def _shown(node: SyntaxTreeNode) -> str:
    inline = node.children[0] if node.children else None
    pieces = inline.children if inline else []
    assert all(one.type in ("text", "text_special", "strong") for one in pieces), [
        one.type for one in pieces
    ]
    return "".join(one.content for one in pieces if one.type != "strong")


# HTML


class _Page(HTMLParser):
    """The heading's status, the cells of every row, and what the page loads, links to or runs."""

    def __init__(self) -> None:
        super().__init__()
        self.status = ""
        self.rows: list[list[str]] = []
        self.references: set[str] = set()
        self._cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {tag, *(name for name, _ in attrs)}
        active = {"script", "link", "img", "iframe", "a", "src", "href"}
        self.references |= {name for name in names if name in active or name.startswith("on")}
        if tag == "h1":
            self.status = str(dict(attrs)["data-status"])
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][-1] += data


def html(text: str, health: Report) -> Reading:
    page = _Page()
    page.feed(text)
    page.close()
    assert page.references == set()
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text
    # An outcome follows its sign.
    return Reading(page.status, {row[0]: row[1][1:] for row in page.rows if row[0] != "Check"})


# JSON


def lines(text: str, health: Report) -> Reading:
    head, *checks = [json.loads(line) for line in text.split("\n")[:-1]]
    for line in (head, *checks):
        LINE_SCHEMA.validate(line)
    assert head["kind"] == "run"
    assert {check["kind"] for check in checks} <= {"check"}
    return Reading(head["status"], {check["id"]: check["outcome"] for check in checks})


def health_json(text: str, health: Report) -> Reading:
    found = json.loads(text)
    results = [result for results in found.get("checks", {}).values() for result in results]
    outcomes = {
        result["componentId"]: result["status"]
        for result in results
        if "observedValue" not in result
    }
    return Reading(found["status"], outcomes)


def openmetrics(text: str, health: Report) -> Reading:
    outcomes, status = {}, ""
    words = {0: "pass", 1: "warn", 2: "fail", 3: "unknown"}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "flowhealth_status":
                status = str(int(sample.value))
            elif sample.name == "flowhealth_check_status":
                outcomes[sample.labels["check"]] = words[int(sample.value)]
    return Reading(status, outcomes)


def badge(text: str, health: Report) -> Reading:
    """Read the SVG as a screen reader does, and check that each text has its room."""
    root = ElementTree.fromstring(text)
    name = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{name}svg"
    assert root.get("role") == "img"
    label, _, status = str(root.get("aria-label")).partition(": ")
    assert [part.text for part in root.iter(f"{name}text")] == [label, status]
    assert root.findtext(f"{name}title") == root.get("aria-label")
    rooms = [float(part.get("textLength", 0)) for part in root.iter(f"{name}text")]
    assert sum(rooms) < float(root.get("width", 0))
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    return Reading(status, {})


READERS: dict[str, Callable[[str, Report], Reading]] = {
    "badge": badge,
    "github": workflow,
    "health+json": health_json,
    "html": html,
    "json-lines": lines,
    "junit": junit,
    "markdown": markdown,
    "nagios": nagios,
    "openmetrics": openmetrics,
}


def assert_outputs(folder: Path, report: dict[str, Any], status: str, *left_out: str) -> None:
    """Assert that the files of `folder`, each with a format's name, have the status of the report."""
    health = msgspec.convert(report, Report)
    assert health.status == status
    for name in READERS.keys() - {*left_out}:
        reading = READERS[name]((folder / name).read_text(), health)
        assert reading.status == STATUSES.get(name, {}).get(status, status), name

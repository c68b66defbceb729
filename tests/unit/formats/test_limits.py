"""What readers take at most, and what they act on: GitHub, Nagios, Markdown, the draft of health+json."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pytest_flowhealth.domain.checks import CheckResult, PhaseOutcome
from pytest_flowhealth.domain.measurements import make_series
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.formats import github, health_json, json_lines, markdown, nagios
from tests.kit.readers import READERS, by_guidelines, commands
from tests.kit.reports import EVERY, HEALTHY, ILL, NOTHING, judged, limit, reported

TEXTS = st.text(max_size=200)


def failing(count: int, ending: PhaseOutcome = PhaseOutcome.FAILED) -> list[CheckResult]:
    return [
        judged(f"app.n{one}", make_series(f"m{one}", 1.5, "ms"), ending=ending, message="no")
        for one in range(count)
    ]


def test_github_shows_ten_of_a_kind_and_the_last_says_how_many_more() -> None:
    warned = [judged(f"app.w{one}", evidence={"warnings": ("careful",)}) for one in range(11)]
    found = list(commands(github.render(reported([*failing(30), *warned]))))

    errors = [one for one in found if one.name == "error"]
    warnings = [one for one in found if one.name == "warning"]
    assert [len(errors), len(warnings)] == [10, 10]
    assert errors[-1].properties["title"] == "21 more"
    assert errors[-1].data.splitlines()[0] == "fail: app.n9"
    assert warnings[-1].properties["title"] == "2 more"
    assert len(list(commands(github.render(reported(failing(10)))))) == 11


def test_github_has_the_worst_first() -> None:
    blocked = [
        judged(f"b.n{one}", ending=PhaseOutcome.BLOCKED, evidence={"blocked_by": "a.root"})
        for one in range(3)
    ]
    light = judged("a.light", ending=PhaseOutcome.FAILED, message="no", critical=False)
    lost = judged("a.lost", ending=PhaseOutcome.LOST, message="lost")
    plain = judged("a.plain", ending=PhaseOutcome.FAILED, message="no")
    root = judged("a.root", ending=PhaseOutcome.FAILED, message="no")
    found = commands(github.render(reported([light, lost, plain, root, *blocked])))

    titles = [one.properties["title"] for one in found if one.name == "error"]
    assert titles == [
        "fail: a.root",
        "fail: a.plain",
        "unknown: a.lost",
        "fail: a.light (not critical)",
    ]


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("health/test_a.py:7", {"file": "health/test_a.py", "line": "7"}),
        ("a,b:c%.py:7", {"file": "a,b:c%.py", "line": "7"}),
        ("../elsewhere/test_a.py:7", {}),
        ("/usr/lib/test_a.py:7", {}),
        (None, {}),
    ],
)
def test_github_is_told_of_files_that_it_has(location: str | None, told: dict[str, str]) -> None:
    one = msgspec.structs.replace(failing(1)[0], location=location)
    found = next(commands(github.render(reported([one]))))

    assert {key: value for key, value in found.properties.items() if key != "title"} == told


def test_a_summary_keeps_within_the_room_that_is_left() -> None:
    many = reported(failing(400))
    text = github.render_summary(many, 20_000)

    assert 18_000 < len(text.encode()) <= 20_000
    assert text.endswith("the report has the rest.\n")
    assert READERS["markdown"](text, many).status == "unhealthy"
    assert github.render_summary(many, 20) == ""
    assert github.render_summary(HEALTHY) == markdown.render(HEALTHY)
    assert github.SUMMARY == 1024 * 1024


@given(text=TEXTS)
@settings(max_examples=60, deadline=None)
def test_no_text_is_markup(text: str) -> None:
    check = judged(f"app.x[{text}]", ending=PhaseOutcome.FAILED, message=text, remedy=text)
    page = MarkdownIt("commonmark").enable("table").render(markdown.render(reported([check])))

    tags = set(re.findall(r"<(\w+)", page))
    assert tags <= {
        *("h2", "h3", "p", "strong", "pre", "code"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert page.count("<h2>") == 1
    assert page.count("<tr>") == 2 + 2 * ("<h3>Checks" in page)


def test_nagios_cuts_no_figure_in_two() -> None:
    text = nagios.render(reported(failing(2_000)))

    assert len(text.encode()) <= nagios.LIMIT
    figures = by_guidelines(text)
    assert set(figures.values()) == {(1.5, "ms")}
    assert f"{2_000 - len(figures)} figures do not fit here" in text
    assert re.search(r"\.\.\. and \d+ more\n\Z", text)


@given(name=TEXTS, message=TEXTS, value=st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=60, deadline=None)
def test_nagios_figures_whatever_they_are(name: str, message: str, value: float) -> None:
    series = make_series("n", value, "ms")
    check = judged(
        f"app.x[{name}]",
        series,
        thresholds=(limit("n", "ms", warn=-1, fail=5e-324),),
        evidence={"warnings": (message,)},
    )
    text = nagios.render(reported([check]))

    if len(text.splitlines()[0]) < 5_000:
        ((told, unit),) = by_guidelines(text).values()
        assert told == pytest.approx(value)
        assert unit == "ms"
    assert len([line for line in text.splitlines() if re.match("[A-Z]+: ", line)]) == 1


@pytest.mark.parametrize(
    "health", [EVERY, HEALTHY, ILL, NOTHING], ids=["every", "healthy", "ill", "none"]
)
def test_health_json_by_the_rules_of_the_draft(health: Report) -> None:
    found: dict[str, Any] = json.loads(health_json.render(health))

    # 3.1 to 3.9: one member is required, the others have their types.
    members = "status version releaseId notes output serviceId description checks links"
    assert set(found) <= {*members.split()}
    assert found["status"] in ("pass", "fail", "warn")
    assert ("output" in found) <= (found["status"] != "pass")
    assert all(isinstance(note, str) for note in found.get("notes", []))
    # 4: {componentName}:{measurementName}, neither with a colon; values are arrays of objects.
    assert all(re.fullmatch(r"[^:]+:[^:]+", key) for key in found["checks"])
    assert all(found["checks"].values())
    members = "componentId componentType observedValue observedUnit status time output"
    for result in (result for results in found["checks"].values() for result in results):
        assert set(result) <= {*members.split()}
        assert result["componentType"] in ("component", "datastore", "system")
        assert ("observedValue" in result) is ("observedUnit" in result)
        assert result.get("status", "pass") in ("pass", "fail", "warn")
        assert not ("output" in result and result.get("status", "pass") == "pass")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", result["time"])


def test_a_lines_head_has_all_of_the_report_but_its_checks() -> None:
    assert set(json_lines.RunLine.__struct_fields__) == set(Report.__struct_fields__) - {"checks"}
    assert NOTHING.status is Status.UNKNOWN


def test_nagios_has_a_label_once() -> None:
    twice = [
        judged(f"app.{name}", make_series("n", size, "s")) for name, size in (("a", 1), ("b", 2))
    ]

    assert by_guidelines(nagios.render(reported(twice))) == {"app.n": (1, "s")}

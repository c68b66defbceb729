"""Every format: its own reader reads what the JSON report says; hostile texts break none; golden files.

A format is found through its entry point, and so needs a golden file here. To write them anew, look at
the difference afterwards: FLOWHEALTH_GOLDEN=write pytest tests/unit/formats/test_every_format.py
"""

import os
import re
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.domain.checks import PhaseOutcome
from pytest_flowhealth.domain.measurements import make_series
from pytest_flowhealth.domain.report import HostInfo, Report, TargetInfo
from pytest_flowhealth.domain.root_causes import RunProblem
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.formats.figures import find_run_reasons
from pytest_flowhealth.plugin.options import OPTIONS
from tests.kit.readers import READERS, STATUSES, commands
from tests.kit.reports import (
    BROKEN,
    DEGRADED,
    EVERY,
    HEALTHY,
    ILL,
    NOTHING,
    judged,
    reported,
)

OURS = {
    one.name: one
    for one in entry_points(group="pytest_flowhealth.formats")
    if one.value.startswith("pytest_flowhealth.")
}
FORMATS = sorted(OURS)
GOLDEN = Path(__file__).with_name("golden")


def rendered(name: str, health: Report) -> str:
    render: Callable[[Report], str] = OURS[name].load()
    text = render(health)
    text.encode()  # no lone surrogates
    return text


@pytest.mark.parametrize("name", FORMATS)
def test_its_reader_reads_the_outcomes_of_the_report(name: str) -> None:
    reading = READERS[name](rendered(name, EVERY), EVERY)

    outcomes = {check.id: check.outcome.value for check in EVERY.checks}
    assert set(outcomes.values()) == {outcome.value for outcome in Outcome}
    assert {
        key: outcome for key, outcome in reading.outcomes.items() if not key.startswith("run ")
    } == expected_outcomes(name, outcomes)


def expected_outcomes(name: str, outcomes: dict[str, str]) -> dict[str, str]:
    if name == "badge":  # which has the status only
        return {}
    if name == "github":  # what is well, or was not looked at, is no annotation
        return {key: one for key, one in outcomes.items() if one not in ("pass", "skip")}
    if name == "openmetrics":
        return {key: one for key, one in outcomes.items() if one != "skip"}
    if name == "health+json":  # which has no word for what is not known
        known = {key: one for key, one in outcomes.items() if one != "skip"}
        return {key: "fail" if one == "unknown" else one for key, one in known.items()}
    if name == "nagios":
        return {key.replace("|", "/"): one for key, one in outcomes.items()}
    return outcomes


@pytest.mark.parametrize("name", FORMATS)
def test_a_hostile_check_breaks_no_format(name: str) -> None:
    text = rendered(name, ILL)
    told = READERS[name](text, ILL)

    outcomes = sorted(one for key, one in told.outcomes.items() if not key.startswith("run "))
    ours = expected_outcomes(name, {one.id: one.outcome.value for one in ILL.checks})
    if name == "nagios":  # an id has spaces here
        outcomes = sorted(re.findall(r"(?m)^(PASS|WARN|FAIL|SKIP|UNKNOWN) app\.", text))
        assert outcomes == sorted(one.upper() for one in ours.values())
    else:
        assert outcomes == sorted(ours.values())
    assert len(text) < 400_000 or name in ("health+json", "json-lines")
    if name not in ("health+json", "json-lines", "openmetrics"):  # they quote what they hold
        assert not re.search(
            r"[\x00-\x09\x0b-\x1f\x7f\u202e\u2028\ud800]",
            re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL),
        )


def test_markdown_notifies_nobody_and_links_nowhere() -> None:
    acts = "@babel/core GH-7 #12 !3 _GH-8 www.evil.example _www.evil.example me@evil.example o/r#5"
    checks = [judged(f"app.x[{acts}]", ending=PhaseOutcome.FAILED, message=acts)]
    text = rendered("markdown", reported(checks, (RunProblem(acts),)))

    plain = re.sub(r"(?ms)^```text.*?^```$", "", text).replace("\\", "")
    assert plain.count("babel/core") == 4
    assert not re.search(r"@\w|#\d|!\d|GH-\d|www\.", plain)


REPORTS = {
    "healthy": (HEALTHY,),
    "degraded": (DEGRADED,),
    "unhealthy": (EVERY, ILL),
    "unknown": (NOTHING, BROKEN),
}


@pytest.mark.parametrize("status", REPORTS)
@pytest.mark.parametrize("name", FORMATS)
def test_each_status_is_read_as_itself(name: str, status: str) -> None:
    for health in REPORTS[status]:
        reading = READERS[name](rendered(name, health), health)
        assert reading.status == STATUSES.get(name, {}).get(status, status)
        if status == "healthy":
            assert set(reading.outcomes.values()) <= {"pass"}


@pytest.mark.parametrize("health", REPORTS["unknown"])
def test_a_run_without_a_verdict_is_an_error_in_junit_and_github(health: Report) -> None:
    outcomes = READERS["junit"](rendered("junit", health), health).outcomes

    assert [outcome for key, outcome in outcomes.items() if key.startswith("run ")] == ["unknown"]
    assert next(commands(rendered("github", health))).name == "error"


@pytest.mark.parametrize("status", [Status.UNHEALTHY, Status.UNKNOWN])
def test_a_verdict_worse_than_its_checks_is_never_without_a_reason(status: Status) -> None:
    for reasons in ((), ("app.good: it is fine",), ("something else",)):
        worse = msgspec.structs.replace(HEALTHY, status=status, reasons=reasons)
        assert find_run_reasons(worse), reasons
    assert find_run_reasons(HEALTHY) == ()
    assert find_run_reasons(EVERY) == ("worker gw1 was lost",)


@pytest.mark.parametrize("name", FORMATS)
def test_it_renders_its_golden_file(name: str) -> None:
    file = GOLDEN / name
    # The style is the web page's, and tested there.
    text = re.sub(r"<style>.*?</style>", "<style></style>", rendered(name, EVERY), flags=re.DOTALL)
    if os.environ.get("FLOWHEALTH_GOLDEN") == "write":
        file.write_text(text)

    assert file.is_file(), f"{name} has no golden file: see the head of this file"
    assert text == file.read_text()


def test_the_help_names_every_format() -> None:
    told = dict(OPTIONS)["--health-output"]["help"]

    assert [name for name in FORMATS if name not in told] == []
    assert set(FORMATS) == set(READERS)


ODD = [
    *(
        "\x00\x01\x1b[31m",
        "\ufffe\uffff",
        "\ud800",
        "\x85\u2028\u2029",
        "a\rb",
        "\x0b\x0c\x7f",
        "\u202e",
    ),
    *(
        "\u00e9\u6f22\U0001f389\U0010ffff",
        "a" * 200_000,
        "::error::x",
        "%0A::error",
        "]]>",
        "<!--",
        "&#0;",
    ),
    *("{}|,;='\"", "\\", "`" * 50, " ", "NaN", "# EOF"),
]


@pytest.mark.parametrize("text", ODD, ids=lambda text: ascii(text[:8]))
def test_an_odd_text_is_read_wherever_it_stands(text: str) -> None:
    named = judged(f"app.x[{text[:300]}]", make_series(text[:300], 1.5, "ms"))
    failed = judged("app.y", ending=PhaseOutcome.FAILED, message=text, remedy=text)
    health = msgspec.structs.replace(
        reported([named, failed], (RunProblem(text),)),
        target=TargetInfo(text, text, text),
        host=HostInfo(text, "Linux", "6.1", "x86_64", "3.11.2", 2),
    )

    for name in FORMATS:
        reading = READERS[name](rendered(name, health), health)
        assert reading.status == STATUSES.get(name, {}).get("unhealthy", "unhealthy"), name


@pytest.mark.parametrize("value", [1e308, -1e308, 5e-324, -0.0, 1e15, 1e22])
@pytest.mark.parametrize("unit", ["ms", "GiB", "%", "1", "x"])
def test_an_odd_number_is_read(value: float, unit: str) -> None:
    health = reported([judged("app.n", make_series("n", value, unit))])

    for name in FORMATS:
        reading = READERS[name](rendered(name, health), health)
        assert reading.status == STATUSES.get(name, {}).get("healthy", "healthy"), name


def test_five_hundred_checks_are_read() -> None:
    endings = (PhaseOutcome.FAILED, PhaseOutcome.PASSED)
    health = reported(
        [judged(f"app.n{at}", ending=endings[at % 2], message="no " * 300) for at in range(500)]
    )

    for name in FORMATS:
        reading = READERS[name](rendered(name, health), health)
        assert reading.status == STATUSES.get(name, {}).get("unhealthy", "unhealthy"), name

"""Every format: its own reader reads what the JSON report says; hostile texts break none; golden files.

A format is found through its entry point, and so needs a golden file here. To write them anew, look at
the difference afterwards: FLOWHEALTH_GOLDEN=write pytest tests/formats/test_all.py
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.domain.checks import PhaseOutcome
from pytest_flowhealth.domain.metric_names import WORDS
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.root_causes import RunProblem
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.formats.readings import of_the_run
from pytest_flowhealth.plugin.options import OPTIONS
from tests.formats.readers import (
    READERS,
    by_guidelines,
    commands,
    figures_of,
    has_monitoring_plugin,
    perfdata,
)
from tests.kit.reports import BROKEN, EVERY, HEALTHY, ILL, NOTHING, judged, reported

OURS = {
    one.name: one
    for one in entry_points(group="pytest_flowhealth.formats")
    if one.value.startswith("pytest_flowhealth.")
}
FORMATS = sorted(OURS)
GOLDEN = Path(__file__).with_name("golden")
ENDINGS = {
    "github": "txt",
    "health+json": "json",
    "html": "html",
    "json-lines": "jsonl",
    "junit": "xml",
    "markdown": "md",
    "nagios": "txt",
    "openmetrics": "prom",
}
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
PEOPLE = ("github", "html", "markdown")
"""Formats for people, whose figures have four significant digits."""


def rendered(name: str, health: Report) -> str:
    render: Callable[[Report], str] = OURS[name].load()
    text = render(health)
    text.encode()  # no lone surrogates
    return text


def document(health: Report) -> dict[str, object]:
    """Return the report's own part, as its JSON says."""
    found: dict[str, object] = msgspec.json.decode(msgspec.json.encode(health))
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_its_reader_reads_the_statuses_and_figures_of_the_report(name: str) -> None:
    report = document(EVERY)
    told = READERS[name](rendered(name, EVERY), EVERY)

    assert told.status == STATUSES.get(name, {}).get("unhealthy", "unhealthy")
    outcomes = {one["id"]: one["outcome"] for one in report["checks"]}  # type: ignore[attr-defined]
    assert set(outcomes.values()) == {one.value for one in Outcome}
    assert {
        key: value for key, value in told.outcomes.items() if not key.startswith("run ")
    } == expected_outcomes(name, outcomes)
    if name != "nagios":  # below, for its units are others
        figures = figures_of(report["checks"])  # type: ignore[arg-type]
        wanted = exposed() if name == "openmetrics" else figures
        if name == "health+json":  # a colon is no part of a name there
            assert len(figures) == len(told.figures)
        assert told.figures == pytest.approx(wanted, rel=1e-3 if name in PEOPLE else 1e-12)


def expected_outcomes(name: str, outcomes: dict[str, str]) -> dict[str, str]:
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


def exposed() -> dict[str, float]:
    """Return every statistic of every measurement, by its name in OpenMetrics without the unit."""
    found = {}
    for check in EVERY.checks:
        _, bracket, which = check.id.partition("[")
        for one in check.measurements:
            name = f"flowhealth_{check.component}_{one.name}"
            if one.value is not None:
                found[f"{name}.value{bracket}{which}"] = one.value
            for statistic, value in msgspec.structs.asdict(one.stats).items() if one.stats else ():
                if value is not None:
                    found[f"{name}.{statistic}{bracket}{which}"] = value
    assert set(WORDS) > {one.unit for check in EVERY.checks for one in check.measurements}
    return found


SIZES = {"MiB": 2**20, "MB": 10**6, "B": 1, "kB": 1000}


def nagios_figures() -> dict[str, tuple[float, str]]:
    """Return the figures that Nagios is to read, sizes in bytes, with their units."""
    found = {}
    for one in document(EVERY)["checks"]:  # type: ignore[attr-defined]
        units = {taken["name"]: taken["unit"] for taken in one["measurements"]}
        for name, value in figures_of([one]).items():
            unit = next(units[known] for known in units if f".{known}" in name)
            told = "B" if unit in SIZES else unit if unit in ("s", "ms", "us", "%") else ""
            found[name.replace("|", "_")] = (value * SIZES.get(unit, 1), told)
    return found


def test_nagios_figures_by_the_grammar_of_the_guidelines() -> None:
    found = by_guidelines(rendered("nagios", EVERY))

    assert {name: unit for name, (_, unit) in found.items()} == {
        name: unit for name, (_, unit) in nagios_figures().items()
    }
    assert {name: one for name, (one, _) in found.items()} == pytest.approx(
        {name: one for name, (one, _) in nagios_figures().items()}
    )


@pytest.mark.skipif(
    not has_monitoring_plugin(), reason="no Monitoring::Plugin (apt: libmonitoring-plugin-perl)"
)
def test_nagios_figures_by_the_parser_of_monitoring_plugins() -> None:
    found = perfdata(rendered("nagios", EVERY))

    assert {one["label"]: one["uom"] for one in found} == {
        name: unit for name, (_, unit) in nagios_figures().items()
    }
    assert {one["label"]: one["value"] for one in found} == pytest.approx(
        {name: one for name, (one, _) in nagios_figures().items()}
    )
    # Its own ranges come to our outcomes, but for the interval, whose value alone is inside.
    states = {one["label"]: one["state"] for one in found}
    judged = {
        f"{check.component}.{one.name}{check.id.partition('[')[1]}{check.id.partition('[')[2]}": one.outcome
        for check in EVERY.checks
        for one in check.thresholds
        if one.observed is not None
    }
    words = {Outcome.PASS: 0, Outcome.WARN: 1, Outcome.FAIL: 2}
    assert {name: states[name] for name in judged} == {
        name: words[one] for name, one in judged.items()
    }


@pytest.mark.parametrize("name", FORMATS)
def test_a_hostile_check_breaks_no_format(name: str) -> None:
    text = rendered(name, ILL)
    told = READERS[name](text, ILL)

    assert told.status == STATUSES.get(name, {}).get("unhealthy", "unhealthy")
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


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("health", [NOTHING, BROKEN], ids=["nothing", "broken"])
def test_a_run_without_a_verdict_is_green_nowhere(name: str, health: Report) -> None:
    text = rendered(name, health)
    told = READERS[name](text, health)

    assert told.status == STATUSES.get(name, {}).get("unknown", "unknown")
    if name == "junit":
        assert [one for key, one in told.outcomes.items() if key.startswith("run ")] == ["unknown"]
    if name == "github":
        assert next(commands(text)).name == "error"


@pytest.mark.parametrize("name", FORMATS)
def test_a_healthy_run_is_green_everywhere(name: str) -> None:
    told = READERS[name](rendered(name, HEALTHY), HEALTHY)

    assert told.status == STATUSES.get(name, {}).get("healthy", "healthy")
    assert set(told.outcomes.values()) <= {"pass"}


@pytest.mark.parametrize("status", [Status.UNHEALTHY, Status.UNKNOWN])
def test_a_verdict_worse_than_its_checks_is_never_without_a_reason(status: Status) -> None:
    for reasons in ((), ("app.good: it is fine",), ("something else",)):
        worse = msgspec.structs.replace(HEALTHY, status=status, reasons=reasons)
        assert of_the_run(worse), reasons
    assert of_the_run(HEALTHY) == ()
    assert of_the_run(EVERY) == ("worker gw1 was lost",)


@pytest.mark.parametrize("name", FORMATS)
def test_its_golden_file(name: str) -> None:
    file = GOLDEN / f"{name}.{ENDINGS.get(name, 'txt')}"
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

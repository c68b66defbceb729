"""JUnit XML as Jenkins and GitLab read it: a suite for each component, a case for each check.

Nobody owns the format. The order of elements is that of Jenkins' schema, and three things are added that
readers know: `file` and `line` of a case (GitLab), and a case's properties (Jenkins, pytest). It has no
word for a warning: such a case passes, and says so in its output and its property `outcome`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

from pytest_flowhealth.domain.checks import CheckResult, unit_suffix
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.formats.figures import (
    describe_target,
    find_blocked,
    find_run_reasons,
    iterate_figures,
    make_safe,
    write_number,
)

PACKAGE = "flowhealth"
_ELEMENTS = {Outcome.FAIL: "failure", Outcome.UNKNOWN: "error", Outcome.SKIP: "skipped"}
_COUNTS = {"failures": "failure", "errors": "error", "skipped": "skipped"}
_TITLE = 300


def render(health: Report) -> str:
    """Return a run as JUnit XML; each problem of the run itself is a case with an error."""
    suites = list(_suites(health))
    root = ET.Element("testsuites", {"name": PACKAGE, **_counts(suites)})
    root.set("time", f"{health.duration:.3f}")
    root.extend(suites)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _suites(health: Report) -> Iterator[ET.Element]:
    reasons = find_run_reasons(health)
    if reasons:
        yield _suite("run", health.status, list(_run_cases(reasons, health)), health)
    waiting = find_blocked(health)
    for name, component in health.components.items():
        cases = [
            _case(check, waiting[check.id]) for check in health.checks if check.component == name
        ]
        yield _suite(name, component.status, cases, health)


def _suite(
    name: str, status: Status | None, cases: Sequence[ET.Element], health: Report
) -> ET.Element:
    suite = ET.Element("testsuite", {"name": f"{PACKAGE}.{make_safe(name)}"})
    suite.attrib |= _counts(cases)
    suite.set("time", f"{sum(float(case.get('time', 0)) for case in cases):.3f}")
    suite.set("timestamp", health.started.strftime("%Y-%m-%dT%H:%M:%S"))
    suite.set("hostname", make_safe(health.host.name))
    facts = {"status": status.value if status else "skipped", "target": describe_target(health)}
    suite.append(_properties(facts | {"verdict": health.status.value}))
    suite.extend(cases)
    return suite


def _counts(elements: Sequence[ET.Element]) -> dict[str, str]:
    cases = [case for element in elements for case in element.iter("testcase")]
    found = {"tests": len(cases)}
    for name, kind in _COUNTS.items():
        found[name] = sum(case.find(kind) is not None for case in cases)
    return {name: str(count) for name, count in found.items()}


def _run_cases(reasons: Sequence[str], health: Report) -> Iterator[ET.Element]:
    """Yield a case for each reason, with unique names: readers drop a second case of the same name."""
    for number, reason in enumerate(reasons, 1):
        name = f"{number}: {one_line(reason, 120)}"
        case = ET.Element(
            "testcase", {"name": name, "classname": f"{PACKAGE}.run", "time": "0.000"}
        )
        if health.status is Status.DEGRADED:
            case.append(_text("system-out", f"WARN: {reason}"))
        else:
            error = _text("error", reason)
            error.attrib |= {"type": health.status.value, "message": one_line(reason, _TITLE)}
            case.append(error)
        yield case


def _case(check: CheckResult, waiting: Sequence[str]) -> ET.Element:
    case = ET.Element(
        "testcase",
        {
            "name": make_safe(check.id.removeprefix(f"{check.component}.")),
            "classname": f"{PACKAGE}.{make_safe(check.component)}",
            "time": f"{check.duration:.3f}",
        },
    )
    file, _, line = (check.location or "").rpartition(":")
    if file:
        case.attrib |= {"file": make_safe(file), "line": line}
    case.append(_properties(dict(_facts(check))))
    text = _describe(check, waiting)
    if kind := _ELEMENTS.get(check.outcome):
        found = _text(kind, text)
        found.attrib |= {
            "type": check.outcome.value,
            "message": one_line(check.message, _TITLE),
        }
        case.append(found)
    elif check.outcome is Outcome.WARN:
        case.append(_text("system-out", f"WARN: {text}"))
    elif text:
        case.append(_text("system-out", text))
    return case


def _describe(check: CheckResult, waiting: Sequence[str]) -> str:
    """Return message, blocked checks and remedy as the text: not every reader shows a failure's message."""
    lines = [check.message] if check.message else []
    if waiting:
        lines.append(f"blocks: {', '.join(waiting)}")
    lines += [f"{word}: {text}" for word, text in check.advice.items()]
    return "\n".join(lines)


def _facts(check: CheckResult) -> Iterator[tuple[str, str]]:
    yield "outcome", check.outcome.value
    if not check.critical:
        yield "critical", "false"
    if check.attempts > 1:
        yield "attempts", str(check.attempts)
    if check.blocked_by:
        yield "blocked_by", check.blocked_by
    for reading in iterate_figures(check):
        unit = unit_suffix(reading.unit)
        yield reading.name, f"{write_number(reading.value)}{unit}"
        if reading.judged is not None:
            side = "above" if reading.judged.better == "lower" else "below"
            for word, limit in (("warns", reading.judged.warn), ("fails", reading.judged.fail)):
                if limit is not None:
                    yield f"{reading.name}.{word}", f"{side} {write_number(limit)}{unit}"


def _properties(facts: dict[str, str]) -> ET.Element:
    found = ET.Element("properties")
    for name, value in facts.items():
        ET.SubElement(found, "property", {"name": make_safe(name), "value": make_safe(value)})
    return found


def _text(tag: str, text: str) -> ET.Element:
    element = ET.Element(tag)
    element.text = make_safe(text)
    return element

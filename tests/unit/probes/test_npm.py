"""What npm printed, and what it logged of the registry: recorded from npm 11."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.manifest import Manifest
from pytest_flowhealth.errors import FlowHealthError, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes import npm, outdated
from pytest_flowhealth.probes.command import Completed
from pytest_flowhealth.probes.npm import Tree
from pytest_flowhealth.probes.outdated import Outdated
from tests.kit.projects import write_module, write_package

BULK = "http://127.0.0.1:4873/-/npm/v1/security/advisories/bulk"
APP = Manifest(name="app", dependencies={"ms": "^2.0.0", "is-number": "^6.0.0"})
ASKED = "npm silly audit bulk request { 'is-number': [ '6.0.0' ], ms: [ '2.1.3' ] }"
NOTHING = "npm silly audit bulk request {}"
FETCHED = f"npm http fetch POST 200 {BULK} 56ms"


def completed(stdout: object, *log: str, code: int = 0) -> Completed:
    """Return how npm ended: its object (or text) and the lines of its log."""
    text = stdout if isinstance(stdout, str) else json.dumps(stdout)
    return Completed(("npm",), code, text, "\n".join(log), 0.5)


def answered(report: str, stdout: object | None = None, code: int = 0) -> Completed:
    """Return how npm ended after a registry that answered with status 200 and `report`."""
    stdout = audit_report() if stdout is None else stdout
    return completed(stdout, ASKED, FETCHED, f"npm silly audit report {report}", code=code)


def failed(message: str, *log: str) -> Completed:
    """Return how npm ended with an error instead of a report."""
    return completed({"message": message, "error": {}}, ASKED, *log, code=1)


def audit_report(**severities: str) -> dict[str, Any]:
    """Return npm's report on packages with one vulnerability each, by their severity."""
    found = {
        name: {
            "name": name,
            "severity": severity,
            "via": [{"title": f"A {severity} fault in {name}", "severity": severity}],
            "range": "*",
            "fixAvailable": False,
        }
        for name, severity in severities.items()
    }
    counts = {one: list(severities.values()).count(one) for one in npm.SEVERITIES}
    metadata = {"vulnerabilities": {**counts, "total": len(severities)}}
    return {"auditReportVersion": 2, "vulnerabilities": found, "metadata": metadata}


def test_vulnerable_packages_are_counted_by_severity_with_the_command_that_fixes_them() -> None:
    report = audit_report(ms="high", debug="critical", semver="low")
    report["vulnerabilities"]["ms"]["fixAvailable"] = True
    report["vulnerabilities"]["semver"]["fixAvailable"] = {"name": "semver", "version": "8.0.0"}

    found = npm.parse_audit(answered("{\nnpm silly audit report   'ms': [", report, code=1), APP)

    counts = {"critical": 1, "high": 1, "moderate": 0, "low": 1, "info": 0}
    assert found.counts == counts
    assert [(one.name, one.severity, one.fix) for one in found.packages] == [
        ("ms", "high", "npm audit fix"),
        ("debug", "critical", None),
        ("semver", "low", "npm install semver@8.0.0"),
    ]
    assert found.packages[0].titles == ("A high fault in ms",)


CRASH = {"error": {"summary": "Cannot create property 'name' on string 'f'", "detail": ""}}
NEGATIVE = {"metadata": {"vulnerabilities": dict.fromkeys(npm.SEVERITIES, -1)}}
NO_AUDIT: dict[str, tuple[Completed, str]] = {
    "status 500": (
        failed(f"500 - POST {BULK}", f"npm http fetch POST 500 {BULK} 95ms"),
        "audit endpoint answered with status 500",
    ),
    "null": (answered("null"), "answered with no list: null"),
    "garbage": (failed("invalid json response body", FETCHED), "could not tell: invalid json"),
    "text": (answered("fine", CRASH, 1), "could not tell: Cannot create property"),
    "cut off": (failed("Invalid response: aborted"), "could not tell: Invalid response"),
    "no question": (completed(audit_report()), "did not ask the registry"),
    "an empty question": (completed(audit_report(), NOTHING), "asked the registry for nothing"),
    "another code": (answered("{}", code=7), "it ended with code 7"),
    "a negative count": (answered("{}", audit_report() | NEGATIVE), "could not tell"),
    "a list against its summary": (
        answered("{", audit_report(ms="high") | {"metadata": audit_report()["metadata"]}, 1),
        "contradicts itself",
    ),
}


@pytest.mark.parametrize("row", NO_AUDIT)
def test_an_audit_that_the_registry_did_not_answer_is_unmeasured(row: str) -> None:
    done, says = NO_AUDIT[row]
    with pytest.raises(MeasurementUnavailable, match=says):
        npm.parse_audit(done, APP)


def test_an_empty_list_is_no_vulnerability_and_without_a_registry_there_is_no_audit() -> None:
    expected = npm.Audit(dict.fromkeys(npm.SEVERITIES, 0), ())
    assert npm.parse_audit(answered("{}"), APP) == expected
    local = Manifest(name="app", dependencies={"one": "file:one"})
    with pytest.raises(NotApplicable, match="comes from a registry"):
        npm.parse_audit(completed(audit_report(), NOTHING), local)


@pytest.mark.parametrize("output", ["", "null", "{", '{"problems": 5}'])
def test_an_output_that_is_not_npms_is_unmeasured(tmp_path: Path, output: str) -> None:
    app = write_package(tmp_path, dependencies=APP.dependencies)
    done = completed(output, "npm error code E500", code=1)
    for parse in (
        lambda: npm.parse_tree(done, tmp_path),
        lambda: npm.parse_audit(done, APP),
        lambda: outdated.parse_outdated(done, (app,)),
    ):
        with pytest.raises(MeasurementUnavailable, match="could not tell: code E500"):
            parse()


def test_the_problems_of_a_tree_are_sorted_by_their_kind(tmp_path: Path) -> None:
    write_package(tmp_path, dependencies=APP.dependencies)
    missing, invalid = "missing: ms@^2, required by app@1.0.0", "invalid: is-number@5.0.0 /app"
    problems = [missing, invalid, f"extraneous: other@1 {tmp_path}/node_modules/other", "odd"]

    tree = npm.parse_tree(completed({"name": "app", "problems": problems}, code=1), tmp_path)

    extraneous = ("extraneous: other@1 node_modules/other",)
    assert tree == Tree((missing,), (invalid,), extraneous, other=("odd",))


@pytest.mark.parametrize(
    "output",
    [
        '{"name": "app"}',
        '{"name": "other", "dependencies": {"ms": {}, "is-number": {}}}',
        '{"name": "app", "dependencies": {"ms": {"version": "2.0.0"}}}',
        '{"name": "app", "dependencies": [], "problems": []}',
        '{"name": "app", "problems": ["extraneous: a@1 /a"]}',
    ],
)
def test_a_tree_that_is_not_of_this_project_is_unmeasured(tmp_path: Path, output: str) -> None:
    write_package(tmp_path, dependencies=APP.dependencies)
    with pytest.raises(MeasurementUnavailable, match=r"npm ls.*could not tell"):
        npm.parse_tree(completed(output), tmp_path)


LATEST: Mapping[str, Any] = {
    "is-number": {"current": "6.0.0", "wanted": "6.0.0", "latest": "7.0.0"},
    "odd:is-number@^6": {"current": "6.0.0", "wanted": "6.0.0", "latest": "7.0.0"},
    "types:@types/ms@^0.7": [{"current": "0.7.0", "wanted": "0.7.34", "latest": "2.1.0"}],
    "absent": {"wanted": "1.0.0", "latest": "1.0.0"},
}
REGISTRY = "npm http fetch GET 200 http://127.0.0.1:4873/is-number 338ms (cache miss)"


def parse(root: Path, answer: object, *log: str, code: int = 0, **dependencies: str) -> Outdated:
    """Parse how `npm outdated` ended in a project with these dependencies."""
    package = write_package(root, dependencies=dependencies)
    return outdated.parse_outdated(completed(answer, *log, code=code), (package,))


def test_what_is_behind_is_named_with_what_installs_it(tmp_path: Path) -> None:
    specs = {"is-number": "^6", "odd": "npm:is-number@^6"}

    found = parse(tmp_path, LATEST, REGISTRY, code=1, **specs)

    assert {one.name: (one.newest, one.major) for one in found.behind} == {
        "is-number": ("is-number@latest", True),
        "odd": ("odd@npm:is-number@latest", True),
        "types": ("types@npm:@types/ms@latest", True),
    }
    assert found.untold == ()


def test_what_the_registry_does_not_know_or_does_not_have_is_untold(tmp_path: Path) -> None:
    specs = {"ms": "^99.0.0", "a": "npm:ms@77", "fits": "^1", "@x/private": "^1"}
    write_module(tmp_path, "fits")
    write_module(tmp_path, "@x/private")
    refused = "npm http fetch GET 403 http://127.0.0.1:4873/@x%2fprivate 29ms"
    of_another_workspace = {"ms": {"current": "1.0.0", "wanted": "1.0.0", "latest": "2.1.3"}}

    for answer in ({}, of_another_workspace):
        found = parse(tmp_path, answer, REGISTRY, refused, code=1 if answer else 0, **specs)
        assert found.untold == ("@x/private", "a@npm:ms@77", "ms@^99.0.0")
        assert [one.name for one in found.behind] == list(answer)


def test_an_empty_answer_is_up_to_date_only_where_a_registry_was_asked(tmp_path: Path) -> None:
    write_module(tmp_path, "ms", version="2.0.0")
    for line in (REGISTRY, "npm http cache http://127.0.0.1:4873/ms 12ms (cache hit)"):
        assert parse(tmp_path, {}, line, ms="^2.0.0") == Outdated((), ())
    with pytest.raises(MeasurementUnavailable, match="did not ask"):
        parse(tmp_path, {}, "npm info ok", ms="^2.0.0")
    assert parse(tmp_path, {}, one="file:one") == Outdated((), ())


@pytest.mark.parametrize("entry", [5, {"wanted": "1"}, {"wanted": 1, "latest": "2"}, [[]]])
def test_an_invalid_entry_leaves_outdated_unmeasured(tmp_path: Path, entry: object) -> None:
    with pytest.raises(FlowHealthError, match="npm outdated"):
        parse(tmp_path, {"ms": entry}, REGISTRY, code=1, ms="^2")


@pytest.mark.parametrize(
    ("current", "latest", "major"),
    [("1.2.3", "2.0.0", True), ("1.2.3", "1.9.0", False), ("0.1.0", "0.2.0", True), ("0.1.0", "0.1.9", False),
     ("2.0.0", "1.0.0", False), ("linked", "1.0.0", False)],
)  # fmt: skip
def test_a_major_behind_is_another_first_number_that_is_not_zero(
    current: str, latest: str, major: bool
) -> None:
    assert outdated.is_behind_major(current, latest) is major


def test_a_name_that_begins_as_an_option_is_not_taken_for_one() -> None:
    assert npm.with_names("npm install", ["a@1", "-g@x y"]) == "npm install -- a@1 '-g@x y'"
    assert npm.with_names("npm view", ["ms", "versions"]) == "npm view ms versions"

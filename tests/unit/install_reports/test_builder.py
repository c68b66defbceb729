"""The report of a run: only of what is known, scrubbed, and small enough to be accepted."""

import msgspec
import pytest

from pytest_flowhealth.domain.checks import CheckResult, PhaseOutcome
from pytest_flowhealth.domain.report import Report, TargetInfo
from pytest_flowhealth.install_reports.builder import (
    LARGEST,
    MachineInfo,
    ReportUnavailable,
    build_report,
    encode_report,
)
from pytest_flowhealth.install_reports.report import InstallReport
from pytest_flowhealth.install_reports.scrub import Scrubber
from tests.kit.reports import judged, limit, reported

HERE = MachineInfo(node="20.11.1", npm="10.2.4", os="linux", arch="x64")
INSTALLED = [judged("package.manifest"), judged("build.artifacts")]


def failed(check_id: str, message: str = "it is broken") -> CheckResult:
    return judged(check_id, ending=PhaseOutcome.FAILED, message=message)


def named(health: Report, name: str | None, version: str | None = "1.2.3") -> Report:
    return msgspec.structs.replace(health, target=TargetInfo(name, version, "/srv/shop"))


def make(*checks: CheckResult) -> InstallReport:
    return build_report(reported([*checks]), HERE, Scrubber())


def test_a_success_says_so_and_has_no_texts() -> None:
    found = make(*INSTALLED)
    assert (found.package, found.version, found.node) == ("shop", "1.0.0", "20.11.1")
    assert (found.outcome, found.error, found.context) == ("success", "", "")


@pytest.mark.parametrize(
    ("check_id", "step"),
    [
        ("package.node_modules", "install"),
        ("build.artifacts", "build"),
        ("package.dependencies", "load"),
        ("redis.connect", "check"),
    ],
)
def test_a_failure_names_its_first_error_and_the_step(check_id: str, step: str) -> None:
    found = make(judged("package.manifest"), failed(check_id), failed("z.last"))
    assert (found.outcome, found.step) == ("failure", step)
    assert found.error == f"{check_id}: it is broken"
    assert "fail z.last: it is broken" in found.context


UNKNOWN = judged("own.never", thresholds=(limit("never", "ms", warn=1, fail=2),))


@pytest.mark.parametrize(
    ("health", "why"),
    [
        (reported([*INSTALLED, UNKNOWN]), "status is unknown"),
        (reported([judged("own.check")]), "none of the checks of package and build was run"),
        (named(reported(INSTALLED), None), "tells no name that can be sent"),
        (named(reported(INSTALLED), "not a name"), "the report would not be accepted"),
    ],
)
def test_what_is_not_known_gives_no_report(health: Report, why: str) -> None:
    with pytest.raises(ReportUnavailable, match=why):
        build_report(health, HERE, Scrubber())


def test_versions_that_would_be_refused_are_left_out() -> None:
    odd = MachineInfo(node="20.11.1 or so", npm="10+x", os="../linux", arch=None)
    found = build_report(named(reported(INSTALLED), "shop", "attacker/evil"), odd, Scrubber())
    assert {found.version, found.node, found.npm, found.os, found.arch} == {None}


@pytest.mark.parametrize("text", ["x", "\x00", "\U0001f600"])
def test_a_report_is_never_too_large(text: str) -> None:
    content = encode_report(InstallReport(package="shop", outcome="failure", context=text * 60_000))
    assert len(content) <= LARGEST
    assert msgspec.json.decode(content, type=InstallReport).context.startswith(text * 5_000)

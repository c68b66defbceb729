"""Which reports are accepted: only names and versions where those are expected, within limits."""

import msgspec
import pytest

from pytest_flowhealth.install_reports.ingest import ReportRefused, require_accepted
from pytest_flowhealth.install_reports.report import InstallReport
from tests.kit.install_reports import encoded, report


def accept(content: object) -> InstallReport:
    """Decode a report and check it, as the receiving end does."""
    found = msgspec.json.decode(encoded(content), type=InstallReport)
    require_accepted(found, ("shop",))
    return found


@pytest.mark.parametrize(
    "content",
    [
        b'{"package":"shop","outcome":"success","error":"\\ud800"}',
        b'{"package":"shop","outcome":"success","seconds":NaN}',
        {"package": "shop"},
        report(more=1),
        report(schema="flowhealth-install/9"),
        report(package="other"),
        report(package="../../etc"),
        report(seconds="long"),
        report(seconds=-1),
        report(error="x" * 1_001),
        report(version="ghp_" + "aB3" * 12),
        report(version="npm:evil@1.0.0"),
        report(version="^1.0.0"),
        report(version="1.0.0\n"),
        report(node="20.11.1 or so"),
        report(npm="10.2.4+x"),
        report(os="linux/x"),
        report(arch="--x"),
    ],
    ids=range(18),
)
def test_an_invalid_report_is_refused(content: object) -> None:
    with pytest.raises((msgspec.DecodeError, ValueError, ReportRefused)):
        accept(content)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"version": "1.0.0-rc.1+build.5"},
        {"version": None, "node": None, "npm": None, "os": None, "arch": None},
        {"node": "23.0.0-nightly20240504", "os": "win32", "arch": "x86_64"},
    ],
)
def test_any_version_and_platform_of_npm_is_accepted(changes: dict[str, str | None]) -> None:
    assert accept(report(**changes)).package == "shop"

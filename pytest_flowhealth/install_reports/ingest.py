"""A received report on its way into the history: checked, scrubbed again, fingerprinted, encrypted."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pytest_flowhealth.domain.text import one_line, printable
from pytest_flowhealth.install_reports.encryption import ContextCipher
from pytest_flowhealth.install_reports.fingerprint import fingerprint
from pytest_flowhealth.install_reports.report import InstallReport
from pytest_flowhealth.install_reports.scrub import Scrubber
from pytest_flowhealth.install_reports.store import StoredReport, hash_id

ERROR, CONTEXT = 1_000, 60_000
"""Maximum length of an error and of its context, in characters."""

_WORDS = ("package", "version", "node", "npm", "os", "arch")


class ReportRefused(Exception):
    """A report is not accepted; the message says why, without the report's content."""


def require_accepted(report: InstallReport, packages: Sequence[str]) -> None:
    """Check that a report is of one of the packages, and that its names and versions are valid.

    Raises:
        ReportRefused: It is not.
    """
    if report.package not in packages:
        raise ReportRefused("reports of this package are not received here")
    scrub = Scrubber()
    for name in _WORDS:
        value = getattr(report, name)
        if value is not None and not is_plain_name(value, scrub):
            raise ReportRefused(f"{name} is not a valid name or version")


def is_plain_name(value: str, scrub: Scrubber) -> bool:
    """Tell whether a name or a version has nothing in it that must be hidden."""
    return bool(value.strip()) and scrub(value) == value


def scrub_report(report: InstallReport, scrub: Scrubber) -> InstallReport:
    """Return a report with scrubbed texts that are safe to show; a success has no texts."""
    if report.outcome == "success":
        return msgspec.structs.replace(report, error="", context="")
    return msgspec.structs.replace(
        report,
        error=one_line(scrub(report.error), 10 * ERROR)[:ERROR],
        context=printable(scrub(report.context), 10 * CONTEXT)[:CONTEXT],
    )


def make_stored_report(
    report: InstallReport, name: str, at: float, source: bytes, cipher: ContextCipher | None
) -> StoredReport:
    """Return a scrubbed report as it is stored.

    Args:
        report: The report.
        name: The id that the sender gets.
        at: Time of arrival, in seconds since 1970.
        source: The anonymous key of the sender's network.
        cipher: Encrypts the context; without it the context is dropped.
    """
    failed = report.outcome == "failure"
    return StoredReport(
        proof=hash_id(name),
        at=at,
        report=msgspec.structs.replace(report, context=""),
        kind=fingerprint(report.error, report.step, report.package) if failed else None,
        source=source,
        context=cipher.encrypt(report.context) if cipher and report.context else None,
    )

"""What becomes of a report that came in: scrubbed again, its error recognised, its context sealed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pytest_flowhealth.domain.text import one_line, printable
from pytest_flowhealth.install_reports.encryption import Vault
from pytest_flowhealth.install_reports.fingerprint import fingerprint
from pytest_flowhealth.install_reports.report import InstallReport
from pytest_flowhealth.install_reports.scrub import Scrubber
from pytest_flowhealth.install_reports.store import Kept, proof_of

ERROR, CONTEXT = 1_000, 60_000
"""Characters of an error and of its context at the most."""

_WORDS = ("package", "version", "node", "npm", "os", "arch")


class Unwanted(Exception):
    """A report that is not taken; the message says why, without what is in it."""


def require_wanted(report: InstallReport, packages: Sequence[str]) -> None:
    """Refuse a report of another package, and one whose names are none.

    Raises:
        Unwanted: It is such a one.
    """
    if report.package not in packages:
        raise Unwanted("reports of this package are not received here")
    scrub = Scrubber()
    for name in _WORDS:
        value = getattr(report, name)
        if value is not None and not is_word(value, scrub):
            raise Unwanted(f"{name} is no name and no version")


def is_word(value: str, scrub: Scrubber) -> bool:
    """Tell whether a name or a version is one, and nothing that has to be hidden."""
    return bool(value.strip()) and scrub(value) == value


def cleaned(report: InstallReport, scrub: Scrubber) -> InstallReport:
    """Return a report with its texts scrubbed and made safe to show; one that went well has none."""
    if report.outcome == "success":
        return msgspec.structs.replace(report, error="", context="")
    return msgspec.structs.replace(
        report,
        error=one_line(scrub(report.error), 10 * ERROR)[:ERROR],
        context=printable(scrub(report.context), 10 * CONTEXT)[:CONTEXT],
    )


def kept(report: InstallReport, name: str, at: float, source: bytes, vault: Vault | None) -> Kept:
    """Return a cleaned report as it is kept.

    Args:
        report: The report.
        name: The id that its sender gets.
        at: When it came, in seconds since 1970.
        source: What stands for the sender's network.
        vault: What seals its context; without one that is not kept.
    """
    failed = report.outcome == "failure"
    return Kept(
        proof=proof_of(name),
        at=at,
        report=msgspec.structs.replace(report, context=""),
        kind=fingerprint(report.error, report.step, report.package) if failed else None,
        source=source,
        context=vault.seal(report.context) if vault and report.context else None,
    )

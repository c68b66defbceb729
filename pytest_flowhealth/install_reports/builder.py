"""Build an install report from a run of checks: scrubbed, and small enough to be accepted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.domain.text import one_line, printable
from pytest_flowhealth.errors import FlowHealthError
from pytest_flowhealth.install_reports.ingest import CONTEXT, ERROR, is_plain_name
from pytest_flowhealth.install_reports.report import (
    InstallReport,
    Release,
    Step,
    Version,
    Word,
    fits,
)
from pytest_flowhealth.install_reports.scrub import Scrubber
from pytest_flowhealth.probes.system import runtimes

LARGEST = 64 * 1024
"""Maximum size of a report, in bytes."""

_STEPS: dict[str, Step] = {
    "package.node_modules": "install",
    "package.tree": "install",
    "npm.installable": "install",
    "package.dependencies": "load",
    "build.artifacts": "build",
    "build.fresh": "build",
    "build.syntax": "load",
}
"""The step of an installation by the check that failed; ``check`` for any other check."""

_MANIFEST = "package.manifest"

_INSTALL_TIME = "install_time"


class ReportUnavailable(Exception):
    """There is nothing to report; the message says why."""


class MachineInfo(msgspec.Struct, frozen=True):
    """The platform of an installation; None for what is not known."""

    node: str | None
    npm: str | None
    os: str | None
    arch: str | None


def read_machine() -> MachineInfo:
    """Return this machine's platform; runs Node and npm for their versions."""
    host = runtimes.host()
    return MachineInfo(_version("node"), _version("npm"), host.platform, host.architecture)


def build_report(health: Report, machine: MachineInfo, scrub: Scrubber) -> InstallReport:
    """Return the report of a run.

    Raises:
        ReportUnavailable: Whether the installation works is not known, or the package has no name.
    """
    if health.status is Status.UNKNOWN:
        raise ReportUnavailable(
            "whether the installation works is not known: the run's status is unknown"
        )
    if health.status is not Status.UNHEALTHY and not _is_installed(health.checks):
        raise ReportUnavailable(
            "whether the installation works is not known: none of the checks of package and build was run"
        )
    plain = Scrubber()
    if health.target.name is None or not is_plain_name(health.target.name, plain):
        raise ReportUnavailable("package.json tells no name that can be sent")
    unhealthy = [check for check in health.checks if check.status is Status.UNHEALTHY]
    first = unhealthy[0] if unhealthy else None
    failed = health.status is Status.UNHEALTHY
    found = InstallReport(
        package=health.target.name,
        version=_validate(health.target.version, Version, plain),
        node=_validate(machine.node, Release, plain),
        npm=_validate(machine.npm, Release, plain),
        os=_validate(machine.os, Word, plain),
        arch=_validate(machine.arch, Word, plain),
        step=_STEPS.get(first.id, "check") if first else "check",
        outcome="failure" if failed else "success",
        seconds=_install_time(health.checks),
        error=_make_error(first, health, scrub) if failed else "",
        context=_make_context(health, unhealthy, scrub) if failed else "",
    )
    return _round_trip(found)


def _is_installed(checks: Iterable[CheckResult]) -> bool:
    """Tell whether checks passed that show a working installation, not only that none failed."""
    satisfied = {check.id for check in checks if check.is_satisfied}
    return _MANIFEST in satisfied and not satisfied.isdisjoint(_STEPS)


def encode_report(report: InstallReport) -> bytes:
    """Return the bytes to send, at most 64 KiB: a longer context is truncated."""
    content = msgspec.json.encode(report)
    context = report.context
    while len(content) > LARGEST and context:
        context = context[: len(context) - max(100, (len(content) - LARGEST) // 6)]
        content = msgspec.json.encode(msgspec.structs.replace(report, context=context))
    return content


def _round_trip(report: InstallReport) -> InstallReport:
    """Return a report as its receiver decodes it.

    Raises:
        ReportUnavailable: It would not be accepted.
    """
    try:
        return msgspec.json.decode(encode_report(report), type=InstallReport)
    except (msgspec.ValidationError, ValueError) as error:
        raise ReportUnavailable(
            f"the report would not be accepted: {one_line(str(error))}"
        ) from None


def _make_error(first: CheckResult | None, health: Report, scrub: Scrubber) -> str:
    text = f"{first.id}: {first.message}" if first else "; ".join(health.reasons)
    return one_line(scrub(_encodable(text)), 10 * ERROR)[:ERROR]


def _make_context(health: Report, unhealthy: Iterable[CheckResult], scrub: Scrubber) -> str:
    """Return the context of an error: the failing checks, and those that warn."""
    warned = [check for check in health.checks if check.outcome is Outcome.WARN]
    lines = [
        f"{check.outcome.value} {check.id}: {check.message}" for check in (*unhealthy, *warned)
    ]
    messages = {f"{check.id}: {check.message}" for check in health.checks}
    lines += [f"reason: {reason}" for reason in health.reasons if reason not in messages]
    return printable(scrub(_encodable("\n".join(lines))), 10 * CONTEXT)[:CONTEXT]


_SURROGATE = re.compile(r"[\ud800-\udfff]")


def _encodable(text: str) -> str:
    """Return a text that UTF-8 can encode."""
    return _SURROGATE.sub("\ufffd", text)


def _install_time(checks: Iterable[CheckResult]) -> float | None:
    """Return the duration of the installation in seconds, if a check measured a successful one."""
    for check in checks:
        if check.id == "npm.installable" and check.outcome in (Outcome.PASS, Outcome.WARN):
            for measurement in check.measurements:
                value = measurement.value
                if measurement.name == _INSTALL_TIME and isinstance(value, (int, float)):
                    return min(86_400.0, round(float(value), 1))
    return None


def _validate(value: str | None, kind: Any, plain: Scrubber) -> str | None:
    """Return a value that a receiver accepts; None for any other."""
    usable = value is not None and fits(value, kind) and is_plain_name(value, plain)
    return value if usable else None


def _version(program: str) -> str | None:
    try:
        return runtimes.version(program)
    except FlowHealthError:
        return None

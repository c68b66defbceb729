"""Makes the report of an installation from a run of checks: scrubbed, and small enough to be taken."""

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
from pytest_flowhealth.install_reports.ingest import CONTEXT, ERROR, is_word
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
"""Bytes of a report at the most."""

_STEPS: dict[str, Step] = {
    "package.node_modules": "install",
    "package.tree": "install",
    "npm.installable": "install",
    "package.dependencies": "load",
    "build.artifacts": "build",
    "build.fresh": "build",
    "build.syntax": "load",
}
"""Where an installation ended, by the check that failed; at a check where it is another."""

_MANIFEST = "package.manifest"

_INSTALL_TIME = "install_time"


class NoReport(Exception):
    """There is nothing to report; the message says why."""


class Machine(msgspec.Struct, frozen=True):
    """What an installation runs on; None where it can't be told."""

    node: str | None
    npm: str | None
    os: str | None
    arch: str | None


def this_machine() -> Machine:
    """Return what it runs on here: Node and npm are asked."""
    host = runtimes.host()
    return Machine(_version("node"), _version("npm"), host.platform, host.architecture)


def report_of(health: Report, machine: Machine, scrub: Scrubber) -> InstallReport:
    """Return the report of a run.

    Raises:
        NoReport: Whether the installation works is not known, or the package has no name.
    """
    if health.status is Status.UNKNOWN:
        raise NoReport("whether the installation works is not known: the run's status is unknown")
    if health.status is not Status.UNHEALTHY and not _installed(health.checks):
        raise NoReport(
            "whether the installation works is not known: none of the checks of package and build was run"
        )
    plain = Scrubber()
    if health.target.name is None or not is_word(health.target.name, plain):
        raise NoReport("package.json tells no name that can be sent")
    wrong = [one for one in health.checks if one.status is Status.UNHEALTHY]
    first = wrong[0] if wrong else None
    failed = health.status is Status.UNHEALTHY
    found = InstallReport(
        package=health.target.name,
        version=_told(health.target.version, Version, plain),
        node=_told(machine.node, Release, plain),
        npm=_told(machine.npm, Release, plain),
        os=_told(machine.os, Word, plain),
        arch=_told(machine.arch, Word, plain),
        step=_STEPS.get(first.id, "check") if first else "check",
        outcome="failure" if failed else "success",
        seconds=_install_time(health.checks),
        error=_error(first, health, scrub) if failed else "",
        context=_context(health, wrong, scrub) if failed else "",
    )
    return _checked(found)


def _installed(checks: Iterable[CheckResult]) -> bool:
    """Tell whether something speaks for an installation that works, and not only nothing against it."""
    held = {one.id for one in checks if one.is_satisfied}
    return _MANIFEST in held and not held.isdisjoint(_STEPS)


def encoded(report: InstallReport) -> bytes:
    """Return the bytes that are sent, 64 KiB at the most: of a context that is too long its end is cut."""
    content = msgspec.json.encode(report)
    context = report.context
    while len(content) > LARGEST and context:
        context = context[: len(context) - max(100, (len(content) - LARGEST) // 6)]
        content = msgspec.json.encode(msgspec.structs.replace(report, context=context))
    return content


def _checked(report: InstallReport) -> InstallReport:
    """Return a report as its receiver will decode it.

    Raises:
        NoReport: It would not be taken.
    """
    try:
        return msgspec.json.decode(encoded(report), type=InstallReport)
    except (msgspec.ValidationError, ValueError) as error:
        raise NoReport(f"the report would not be taken: {one_line(str(error))}") from None


def _error(first: CheckResult | None, health: Report, scrub: Scrubber) -> str:
    told = f"{first.id}: {first.message}" if first else "; ".join(health.reasons)
    return one_line(scrub(_readable(told)), 10 * ERROR)[:ERROR]


def _context(health: Report, wrong: Iterable[CheckResult], scrub: Scrubber) -> str:
    """Return what is told around an error: the failing checks, and those that warn."""
    warned = [one for one in health.checks if one.outcome is Outcome.WARN]
    lines = [f"{one.outcome.value} {one.id}: {one.message}" for one in (*wrong, *warned)]
    said = {f"{one.id}: {one.message}" for one in health.checks}
    lines += [f"reason: {one}" for one in health.reasons if one not in said]
    return printable(scrub(_readable("\n".join(lines))), 10 * CONTEXT)[:CONTEXT]


_HALF = re.compile(r"[\ud800-\udfff]")


def _readable(text: str) -> str:
    """Return a text that can be encoded."""
    return _HALF.sub("\ufffd", text)


def _install_time(checks: Iterable[CheckResult]) -> float | None:
    """Return how long the installation took, where a check has measured one that went well."""
    for check in checks:
        if check.id == "npm.installable" and check.outcome in (Outcome.PASS, Outcome.WARN):
            for one in check.measurements:
                if one.name == _INSTALL_TIME and isinstance(one.value, (int, float)):
                    return min(86_400.0, round(float(one.value), 1))
    return None


def _told(value: str | None, kind: Any, plain: Scrubber) -> str | None:
    """Return a value as it will be taken, None for one that would not be."""
    usable = value is not None and fits(value, kind) and is_word(value, plain)
    return value if usable else None


def _version(program: str) -> str | None:
    try:
        return runtimes.version(program)
    except FlowHealthError:
        return None

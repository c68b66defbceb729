"""`pytest --health-submit`: send an install report with consent, or show it."""

from __future__ import annotations

import getpass
import os
import platform
import sys
from pathlib import Path

import pytest

from pytest_flowhealth.config.environment import REPORT_TOKEN, SUBMIT
from pytest_flowhealth.domain.report import Document
from pytest_flowhealth.domain.text import find_secrets, one_line
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.install_reports.builder import (
    ReportUnavailable,
    build_report,
    encode_report,
    read_machine,
)
from pytest_flowhealth.install_reports.consent import (
    DO_NOT_TRACK,
    Consent,
    find_consent,
    remember,
)
from pytest_flowhealth.install_reports.report import InstallReport
from pytest_flowhealth.install_reports.scrub import Scrubber
from pytest_flowhealth.install_reports.sender import ReportReceiver, SendError, parse_receiver, send
from pytest_flowhealth.plugin.options import read_arguments
from pytest_flowhealth.plugin.reporting.messages import make_usage_error
from pytest_flowhealth.plugin.reporting.stdout import StandardOutput
from pytest_flowhealth.plugin.run import HealthRun

SHOW = "-"
"""Instead of an address: show what would be sent."""

OPTION = "--health-submit"
ERASE = "flowhealth reports erase"


def require_receiver(config: pytest.Config) -> None:
    """Check the address before the run.

    Raises:
        pytest.UsageError: It is invalid.
    """
    text = config.option.health_submit
    if text is None or text == SHOW:
        return
    try:
        parse_receiver(text, OPTION)
    except UsageError as error:
        raise make_usage_error(str(error)) from None


def submit(run: HealthRun, document: Document) -> None:
    """Send the report that the command line asks for; a problem is one line and never changes the status."""
    try:
        message = _submit(run, document)
    except (ReportUnavailable, SendError) as error:
        message = f"no report was sent: {error}"
    except KeyboardInterrupt:
        message = "no report was sent: interrupted"
    except Exception as error:  # noqa: BLE001  # the verdict stands
        message = f"no report was sent: {type(error).__name__}: {error}"
    if message:
        _print(message)


def _submit(run: HealthRun, document: Document) -> str:
    text = str(run.config.option.health_submit)
    # Before Node and npm are run for their versions.
    receiver = None if text == SHOW else parse_receiver(text, OPTION)
    known = find_consent(receiver.origin, os.environ) if receiver is not None else "unknown"
    if receiver is not None:
        _require_allowed(run, known)
    report = build_report(document.health, read_machine(), make_scrubber())
    content = encode_report(report)
    if receiver is None:
        _show(run, content)
        return ""
    if known == "unknown" and not _ask(receiver, report):
        return _describe_refusal()
    address = send(receiver, content, os.environ.get(REPORT_TOKEN, "").strip() or None)
    return f"a report was sent to {receiver.origin}; to erase it: {ERASE} {address}"


def _require_allowed(run: HealthRun, known: Consent) -> None:
    """Check that sending is not forbidden or refused.

    Raises:
        SendError: It is, with the reason.
    """
    words = read_arguments(run.config.invocation_params.args)
    if not any(word.startswith(OPTION) for word in words):
        raise SendError(f"{OPTION} has to be typed; in a configuration file it does not count")
    if known == "forbidden":
        raise SendError(f"{DO_NOT_TRACK} is set")
    if known == "no":
        raise SendError(
            f"you said no; {SUBMIT}=yes, or flowhealth reports withdraw to be asked again"
        )


def make_scrubber() -> Scrubber:
    """Return a scrubber that knows this user, host and environment."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = ""
    homes = {
        os.environ.get("HOME", ""),
        os.environ.get("USERPROFILE", ""),
        str(Path("~").expanduser()),
    }
    host = platform.node()
    users = {user, os.environ.get("SUDO_USER", ""), *(Path(home).name for home in homes)}
    return Scrubber(
        secrets=find_secrets(os.environ),
        homes=[home for home in homes if home.count("/") > 1 or "\\" in home],
        users=users,
        hosts={host, host.partition(".")[0]},
    )


def _show(run: HealthRun, content: bytes) -> None:
    stdout = run.config.stash.get(StandardOutput.KEY, None)
    if stdout is not None:
        stdout.write(content)


def _ask(receiver: ReportReceiver, report: InstallReport) -> bool:
    """Ask for consent on the terminal and save the answer; without a terminal there is none."""
    if not _can_ask():
        return False
    _print(
        f"Send a report of this installation to {receiver.origin}? It has the versions of "
        f"{report.package}, Node and npm, the platform, how it went and what the failing checks said, "
        f"scrubbed; `{OPTION} -` shows it. The answer is remembered; flowhealth reports withdraw takes it back."
    )
    sys.stderr.write("[y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        return False
    agreed = answer.strip().lower() in ("y", "yes")
    if not remember(receiver.origin, os.environ, agreed=agreed):
        _print("the answer can't be remembered: there is no configuration folder")
    return agreed


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _describe_refusal() -> str:
    if _can_ask():
        return "no report was sent"
    return f"no report was sent: nobody agreed to it; without a terminal {SUBMIT}=yes does"


def _print(text: str) -> None:
    sys.stderr.write(f"{one_line(text)}\n")

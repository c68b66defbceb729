"""`pytest --health-submit`: send a report of the installation, or show it."""

from __future__ import annotations

import getpass
import os
import platform
import sys
from pathlib import Path

import pytest

from pytest_flowhealth.config.environment import REPORT_TOKEN, SUBMIT
from pytest_flowhealth.domain.report import Document
from pytest_flowhealth.domain.text import one_line, secrets_in
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.feedback.reports.consent import (
    DO_NOT_TRACK,
    Consent,
    consent_of,
    remember,
)
from pytest_flowhealth.feedback.reports.making import NoReport, encoded, report_of, this_machine
from pytest_flowhealth.feedback.reports.report import InstallReport
from pytest_flowhealth.feedback.reports.scrub import Scrubber
from pytest_flowhealth.feedback.reports.sending import NotSent, Receiver, receiver_of, send
from pytest_flowhealth.plugin.options import read_arguments
from pytest_flowhealth.plugin.reporting.messages import make_usage_error
from pytest_flowhealth.plugin.reporting.stdout import StandardOutput
from pytest_flowhealth.plugin.run import HealthRun

SHOW = "-"
"""In the place of an address: what would be sent is shown."""

OPTION = "--health-submit"
ERASE = "flowhealth reports erase"


def require_receiver(config: pytest.Config) -> None:
    """Check the receiver's address before anything is run.

    Raises:
        pytest.UsageError: The address is not supported.
    """
    text = config.option.health_submit
    if text is None or text == SHOW:
        return
    try:
        receiver_of(text, OPTION)
    except UsageError as error:
        raise make_usage_error(str(error)) from None


def submit(run: HealthRun, document: Document) -> None:
    """Send or show the install report; an error is printed, and changes no verdict."""
    try:
        message = _submit_report(run, document)
    except (NoReport, NotSent) as error:
        message = f"no report was sent: {error}"
    except KeyboardInterrupt:
        message = "no report was sent: interrupted"
    except Exception as error:  # noqa: BLE001  # the verdict stands
        message = f"no report was sent: {type(error).__name__}: {error}"
    if message:
        _print_line(message)


def _submit_report(run: HealthRun, document: Document) -> str:
    text = str(run.config.option.health_submit)
    # What forbids it is known before anybody looks for Node and npm.
    receiver = None if text == SHOW else receiver_of(text, OPTION)
    known = consent_of(receiver.origin, os.environ) if receiver is not None else "unknown"
    if receiver is not None:
        _require_allowed(run, known)
    report = report_of(document.health, this_machine(), scrubber())
    content = encoded(report)
    if receiver is None:
        _show(run, content)
        return ""
    if known == "unknown" and not _ask_consent(receiver, report):
        return _explain_refusal()
    address = send(receiver, content, os.environ.get(REPORT_TOKEN, "").strip() or None)
    return f"a report was sent to {receiver.origin}; to erase it: {ERASE} {address}"


def _require_allowed(run: HealthRun, known: Consent) -> None:
    """Require that nothing forbids sending.

    Raises:
        NotSent: Something does; the reason is its message.
    """
    if not any(
        text.startswith(OPTION) for text in read_arguments(run.config.invocation_params.args)
    ):
        raise NotSent(f"{OPTION} has to be typed; in a configuration file it does not count")
    if known == "forbidden":
        raise NotSent(f"{DO_NOT_TRACK} is set")
    if known == "no":
        raise NotSent(
            f"you said no; {SUBMIT}=yes, or flowhealth reports withdraw to be asked again"
        )


def scrubber() -> Scrubber:
    """Return a scrubber that knows this machine's users, home folders, host and secrets."""
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
    users = {user, os.environ.get("SUDO_USER", ""), *(Path(one).name for one in homes)}
    return Scrubber(
        secrets=secrets_in(os.environ),
        homes=[one for one in homes if one.count("/") > 1 or "\\" in one],
        users=users,
        hosts={host, host.partition(".")[0]},
    )


def _show(run: HealthRun, content: bytes) -> None:
    stdout = run.config.stash.get(StandardOutput.KEY, None)
    if stdout is not None:
        stdout.write(content)


def _ask_consent(receiver: Receiver, report: InstallReport) -> bool:
    """Ask on a terminal whether a report may be sent, and remember the answer."""
    if not _can_ask():
        return False
    _print_line(
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
        _print_line("the answer can't be remembered: there is no configuration folder")
    return agreed


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _explain_refusal() -> str:
    if _can_ask():
        return "no report was sent"
    return f"no report was sent: nobody agreed to it; without a terminal {SUBMIT}=yes does"


def _print_line(text: str) -> None:
    sys.stderr.write(f"{one_line(text)}\n")

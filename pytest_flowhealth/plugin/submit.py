"""`pytest --health-submit`: a report of the installation is sent, or shown; and what takes that back."""

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
"""In the place of an address: what would be sent is shown."""

OPTION = "--health-submit"
ERASE = "flowhealth reports erase"


def require_receiver(config: pytest.Config) -> None:
    """Refuse an address that can't be meant, before anything is run.

    Raises:
        pytest.UsageError: It is such a one.
    """
    text = config.option.health_submit
    if text is None or text == SHOW:
        return
    try:
        parse_receiver(text, OPTION)
    except UsageError as error:
        raise make_usage_error(str(error)) from None


def submit(run: HealthRun, document: Document) -> None:
    """Send what the command line asks for; whatever goes wrong is a line, and nothing of the verdict's."""
    try:
        told = _submitted(run, document)
    except (ReportUnavailable, SendError) as error:
        told = f"no report was sent: {error}"
    except KeyboardInterrupt:
        told = "no report was sent: interrupted"
    except Exception as error:  # noqa: BLE001  # the verdict stands
        told = f"no report was sent: {type(error).__name__}: {error}"
    if told:
        _say(told)


def _submitted(run: HealthRun, document: Document) -> str:
    text = str(run.config.option.health_submit)
    # What forbids it is known before anybody looks for Node and npm.
    receiver = None if text == SHOW else parse_receiver(text, OPTION)
    known = find_consent(receiver.origin, os.environ) if receiver is not None else "unknown"
    if receiver is not None:
        _require_allowed(run, known)
    report = build_report(document.health, read_machine(), scrubber())
    content = encode_report(report)
    if receiver is None:
        _show(run, content)
        return ""
    if known == "unknown" and not _asked(receiver, report):
        return _not_agreed()
    address = send(receiver, content, os.environ.get(REPORT_TOKEN, "").strip() or None)
    return f"a report was sent to {receiver.origin}; to erase it: {ERASE} {address}"


def _require_allowed(run: HealthRun, known: Consent) -> None:
    """Refuse to send where that is known to be unwanted.

    Raises:
        SendError: It is, with the reason.
    """
    if not any(one.startswith(OPTION) for one in read_arguments(run.config.invocation_params.args)):
        raise SendError(f"{OPTION} has to be typed; in a configuration file it does not count")
    if known == "forbidden":
        raise SendError(f"{DO_NOT_TRACK} is set")
    if known == "no":
        raise SendError(
            f"you said no; {SUBMIT}=yes, or flowhealth reports withdraw to be asked again"
        )


def scrubber() -> Scrubber:
    """Return what hides what is known of who runs this, and where."""
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


def _asked(receiver: ReportReceiver, report: InstallReport) -> bool:
    """Ask whether a report may be sent, where somebody can answer, and remember the answer."""
    if not _can_ask():
        return False
    _say(
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
        _say("the answer can't be remembered: there is no configuration folder")
    return agreed


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _not_agreed() -> str:
    if _can_ask():
        return "no report was sent"
    return f"no report was sent: nobody agreed to it; without a terminal {SUBMIT}=yes does"


def _say(text: str) -> None:
    sys.stderr.write(f"{one_line(text)}\n")

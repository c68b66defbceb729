"""`flowhealth reports`: erase a report that was sent, withdraw the consent to send reports."""

from __future__ import annotations

import os

import click

from pytest_flowhealth.cli.common import echo
from pytest_flowhealth.errors import FlowHealthError, UsageError
from pytest_flowhealth.install_reports.consent import find_consent_file, withdraw
from pytest_flowhealth.install_reports.sender import SendError, erase, parse_receiver


@click.group("reports", short_help="Manage the install reports sent from here.")
def command() -> None:
    """Manage the install reports that were sent from this machine."""


@command.command("erase")
@click.argument("address")
def erase_report(address: str) -> None:
    """Erase a report that was sent. ADDRESS was printed when it was sent."""
    receiver = parse_receiver(address, "flowhealth reports erase")
    try:
        erase(receiver)
    except SendError as error:
        raise FlowHealthError(f"the report was not erased: {error}") from None
    echo("the report was erased")


@command.command("withdraw")
def withdraw_consent() -> None:
    """Withdraw the consent to send reports, for every receiver."""
    try:
        receivers = withdraw(os.environ)
    except OSError as error:
        raise UsageError(
            f"{find_consent_file(os.environ)} can't be removed: {error.strerror}"
        ) from None
    echo(f"consent withdrawn: {', '.join(receivers)}" if receivers else "no consent was given")

"""`flowhealth hash-password`: the hash of a password, for `[web] users`."""

from __future__ import annotations

import sys

import click

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.web.passwords import require_passwords


@click.command("hash-password", short_help="Print the hash of a password.")
def command() -> None:
    """Ask for a password, or read it from standard input, and print its argon2 hash."""
    passwords = require_passwords()
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise UsageError("there is no password: type one, or pipe it in")
    click.echo(passwords.hash(password))

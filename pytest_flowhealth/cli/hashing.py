"""`pytest --health-hash`: the hash of a password, for the configuration."""

from __future__ import annotations

import getpass
import sys

import pytest

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.plugin.messages import usage_error


class HashCommand:
    """Takes the place of pytest's own run; the plugin object of --health-hash."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        """Print the hash and return 0.

        Raises:
            pytest.UsageError: There is no password, or argon2-cffi is not installed.
        """
        from pytest_flowhealth.web.passwords import require_passwords

        try:
            passwords = require_passwords()
        except UsageError as error:
            raise usage_error(str(error)) from None
        # pytest keeps the standard input to itself.
        capture = config.pluginmanager.getplugin("capturemanager")
        if capture is not None:
            capture.suspend_global_capture(in_=True)
        password = _asked()
        if not password:
            raise pytest.UsageError("--health-hash: there is no password; type one, or pipe it in")
        sys.stdout.write(f"{passwords.made(password)}\n")
        return 0


def _asked() -> str:
    """Return what was typed, twice the same, or what was piped in."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("password: ")
    if first != getpass.getpass("again: "):
        raise pytest.UsageError("--health-hash: the two are not the same")
    return first

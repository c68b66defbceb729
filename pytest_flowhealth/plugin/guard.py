"""Keeps a check from ending the whole process with a code that reads as healthy.

pytest-timeout's thread method, and careless code, call ``os._exit(0)`` or
``os._exit(1)``: no verdict was reached then, so the code becomes 3.
"""

from __future__ import annotations

import os
from typing import NoReturn

from pytest_flowhealth.verdict.status import Status

_plain_exit = os._exit


def guard_exit() -> None:
    """Let ``os._exit`` of this process, not of one it forks, say unknown in place of 0 and 1."""
    owner = os.getpid()

    def guarded(status: int) -> NoReturn:
        early = os.getpid() == owner and status in (0, 1)
        _plain_exit(Status.UNKNOWN.exit_code if early else status)

    os._exit = guarded


def release_exit() -> None:
    """Give ``os._exit`` back."""
    os._exit = _plain_exit

"""Wait for a condition instead of sleeping for a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

TIMEOUT = 60.0
"""Seconds after which a test gives up. Nothing is judged by it, so it is generous."""


def wait_for(condition: Callable[[], T], timeout: float = TIMEOUT, message: object = "") -> T:
    """Return the first true value of `condition`, which is asked every 20 ms.

    Raises:
        AssertionError: It is still false after `timeout` seconds. `message` (called, if it can be)
            says what was found instead.
    """
    end = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(message() if callable(message) else message or "waited in vain")
        time.sleep(0.02)
    return value

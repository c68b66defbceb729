"""Lets signals end long work as Ctrl-C does, but not between a program's start and its name in our hands."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
from collections.abc import Iterator

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclasses.dataclass
class _Waiting:
    """Whether signals wait, and the last that does."""

    held: bool = False
    number: int | None = None


_waiting = _Waiting()


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt, so that everything is tidied up.

    Only the main thread can have signals; in another this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in _NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Put off what a signal raises until the block is left.

    A program that is being started when the exception comes would be known to
    nobody, and run on.
    """
    _waiting.held, _waiting.number = True, None
    try:
        yield
    finally:
        _waiting.held = False
    if _waiting.number is not None:
        _interrupt(_waiting.number, None)


def _interrupt(number: int, _frame: object) -> None:
    if _waiting.held:
        _waiting.number = number
    else:
        raise KeyboardInterrupt(signal.Signals(number).name)

"""Let signals end long work as Ctrl-C does, but never between starting a program and noting it."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
from collections.abc import Iterator

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclasses.dataclass
class _State:
    """Whether signals are held back, and the last one that was."""

    held: bool = False
    pending: int | None = None


_state = _State()


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt, so that everything is tidied up.

    The exception's argument is the signal's name. Only the main thread can handle signals; in
    another thread this does nothing.
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
def hold_signals() -> Iterator[None]:
    """Hold signals back until the outermost such block ends, which then raises KeyboardInterrupt.

    A program whose start is interrupted would be known to nobody and run on; tidying up that is
    interrupted would leave programs and folders behind.
    """
    if _state.held:
        yield
        return
    _state.held, _state.pending = True, None
    try:
        yield
    finally:
        _state.held = False
    if _state.pending is not None:
        _interrupt(_state.pending, None)


def _interrupt(number: int, _frame: object) -> None:
    if _state.held:
        _state.pending = number
    else:
        raise KeyboardInterrupt(signal.Signals(number).name)

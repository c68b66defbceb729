"""Keeps a check from ending the whole process with a code that reads better than the verdict.

pytest-timeout's thread method, and careless code, call ``os._exit(0)`` or
``os._exit(1)``: where no verdict was reached, the code becomes 3, and after it
the verdict's. ``os.execv`` would end pytest in silence, with another program's
code: it raises. faulthandler's time limit would exit with 1: it is this module's.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import posix
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import printable

_NAMES = ("_exit", "execv", "execve")
_plain: dict[str, Callable[..., Any]] = {name: getattr(posix, name) for name in _NAMES}
_stderr = 2
_verdict = Status.UNKNOWN.exit_code
_tell: Callable[[str], None] | None = None


def guard_exit(tell: Callable[[str], None]) -> None:
    """Guard the ways out of this process; what it forks is free to use them.

    `tell` is called with why there is no verdict, where that ends the process.
    """
    global _stderr, _tell  # noqa: PLW0603  # the process has one standard error, and one end
    _stderr = os.dup(2)
    _tell = tell
    owner = os.getpid()

    def guarded_exit(status: int) -> NoReturn:
        early = os.getpid() == owner and status in (0, 1)
        if early and status < _verdict == Status.UNKNOWN.exit_code:
            last_word(f"os._exit({status}) ended pytest before there was a verdict")
        _plain["_exit"](max(status, _verdict) if early else status)
        raise AssertionError  # not reached: the process has ended

    def guarded_exec(name: str) -> Callable[..., Any]:
        def execute(*arguments: Any) -> Any:
            if os.getpid() == owner:
                raise RuntimeError(f"os.{name} in a check would end pytest without a verdict")
            return _plain[name](*arguments)

        return execute

    _FaultLimit().install()
    _install(
        {"_exit": guarded_exit, "execv": guarded_exec("execv"), "execve": guarded_exec("execve")}
    )


class _FaultLimit:
    """`faulthandler.dump_traceback_later`, which with ``exit=True`` ends the process by `os._exit`."""

    def __init__(self) -> None:
        self._dump_later = faulthandler.dump_traceback_later
        self._cancel = faulthandler.cancel_dump_traceback_later
        self._timer: threading.Timer | None = None

    def install(self) -> None:
        faulthandler.dump_traceback_later = self.dump_later
        faulthandler.cancel_dump_traceback_later = self.cancel

    def dump_later(
        self,
        timeout: float,
        repeat: bool = False,  # the signature is faulthandler's
        file: Any = None,
        exit: bool = False,  # noqa: A002
    ) -> None:
        self.cancel()
        self._dump_later(timeout, repeat, file or sys.stderr)
        if exit:
            self._timer = threading.Timer(timeout + 0.1, lambda: os._exit(1))
            self._timer.daemon = True
            self._timer.start()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._cancel()


def last_word(text: str) -> None:
    """Say why there is no verdict: on the real standard error, which pytest may be capturing, and in what is read later."""
    with contextlib.suppress(OSError):
        os.write(_stderr, f"\nUNKNOWN  {printable(text)}\n".encode())
    with contextlib.suppress(Exception):  # it may be a thread's word, amid anything
        if _tell is not None:
            _tell(text)


def settle_exit(code: int) -> None:
    """Let the guarded ways out tell the verdict's exit code; a healthy one needs no guard."""
    global _verdict  # noqa: PLW0603  # the process has one exit code
    _verdict = code
    if code == 0:
        _install(_plain)


def _install(functions: dict[str, Callable[..., Any]]) -> None:
    for module in (os, posix):
        for name, function in functions.items():
            setattr(module, name, function)

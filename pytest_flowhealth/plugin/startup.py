"""End a health run with exit code 3 or 4 if something ends pytest before this plugin is loaded.

A plugin of another distribution may fail to load, or `-c` may name a file that does not exist: pytest
then ends with Python's own exit code 1, or with the report of the last run still there. Python imports
this module when it starts with ``--health`` among its arguments (by startup.pth, see hatch_build.py), and
`take_charge` ends its part. Until something fails it imports next to nothing.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import traceback
from pathlib import PurePath
from types import TracebackType

_NOT_LOADED = "pytest ended before pytest-flowhealth was loaded"

_guarded_process: int | None = None


def guard_startup() -> None:
    """Guard this process until `take_charge` is called, if it is a pytest."""
    global _guarded_process  # noqa: PLW0603  # there is one process
    if _is_pytest(sys.orig_argv):
        _guarded_process = os.getpid()
        sys.excepthook = _end_after_error
        atexit.register(_end_without_plugin)


def take_charge() -> None:
    """Leave the end of this process to the plugin, which is loaded."""
    global _guarded_process  # noqa: PLW0603  # there is one process
    if _guarded_process is not None:
        _guarded_process = None
        sys.excepthook = sys.__excepthook__
        atexit.unregister(_end_without_plugin)


def _is_pytest(command: list[str]) -> bool:
    """Tell whether an interpreter's command line starts pytest, possibly under `coverage run`."""
    arguments = iter(command[1:])
    for argument in arguments:
        if argument == "-m" or not argument.startswith("-"):
            program = next(arguments, "") if argument == "-m" else PurePath(argument).stem
            wraps = program == "coverage" and "pytest" in map(os.path.basename, arguments)
            return wraps or program in ("pytest", "py.test")
        if argument in ("-W", "-X"):
            next(arguments, None)
    return False


def _end_after_error(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    traceback.print_exception(kind, error, trace)
    if _guarded_process == os.getpid():
        _end(f"{_NOT_LOADED}: {kind.__name__}: {error}", 3)


def _end_without_plugin() -> None:
    if _guarded_process == os.getpid():
        _end(_NOT_LOADED, 4)


def _end(reason: str, exit_code: int) -> None:
    """Leave a report that says unknown, and end the process."""
    try:
        from pytest_flowhealth.plugin.ending import abort_startup

        wanted = abort_startup(sys.argv[1:], reason, exit_code)
    except Exception:  # noqa: BLE001  # whatever is broken here, the exit code must not be 0 or 1
        traceback.print_exc()
        wanted = True
    if not wanted:
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(exit_code)

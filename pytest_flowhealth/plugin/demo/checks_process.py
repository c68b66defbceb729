"""pytest as the demo starts it: ``python -P checks_process.py ARGUMENTS``.

pytest handles SIGINT only while its session lasts. At any other moment (imports, options,
conftest.py files, the end of the process) SIGINT would end it with a traceback. Here it ends with
exit code 3. The demo starts this script with SIGINT blocked, so that none arrives before `main`.

It is a script, not a module of the package: pytest warns of a plugin's package that is imported
before pytest is.
"""

from __future__ import annotations

import os
import signal
import sys

UNKNOWN = 3
"""The exit code of `Status.UNKNOWN`, which is not imported before SIGINT is handled."""


def main() -> None:
    """Do what ``python -m pytest`` does with the process's arguments."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        import runpy

        sys.path.insert(0, os.getcwd())  # noqa: PTH109  # pathlib takes long to import
        runpy.run_module("pytest", run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:
        sys.exit(UNKNOWN)
    finally:
        # The interpreter's own end prints a traceback too where it is interrupted.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()

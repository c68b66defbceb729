"""The monitor's process: `pytest --health-monitor` becomes it, so that no pytest stays in memory."""

from __future__ import annotations

import os
import sys

import msgspec

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.monitor.console import Console
from pytest_flowhealth.monitor.lock import Lock
from pytest_flowhealth.monitor.logs import Logs
from pytest_flowhealth.monitor.loop import Monitor
from pytest_flowhealth.monitor.post import Post
from pytest_flowhealth.monitor.settings import Asked, history_of, read
from pytest_flowhealth.verdict.status import USAGE_ERROR


def main(words: list[str]) -> int:
    """Watch; return the exit code.

    Args:
        words: An `Asked` as JSON.
    """
    asked = msgspec.json.decode(words[0], type=Asked)
    try:
        settings = read(asked)
        history = history_of(asked, settings)
        lock = Lock(history.path)
    except UsageError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return USAGE_ERROR
    console = Console()
    logs = Logs(settings.target.root / settings.target.config.monitor.logs)
    post = Post(settings, history, os.environ, console.message, logs)
    try:
        return Monitor(asked, settings, post, console, logs).run()
    finally:
        lock.release()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

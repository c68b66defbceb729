"""Tests of accuracy run alone: side by side with others they would measure the machine's load."""

from __future__ import annotations

import os
import signal

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a shell: what the tests start would not hear Ctrl-C either.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one worker more than there are processors: most tests wait for what they started."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests of accuracy in a worker of pytest-xdist."""
    if hasattr(config, "workerinput"):
        for item in items:
            if item.get_closest_marker("accuracy"):
                item.add_marker(pytest.mark.skip(reason="runs alone: pytest -m accuracy"))

"""Ends of a monitor and of its history; each test starts monitors of its own."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.kit.monitor import OWN_ONLY, Monitor, is_gone, own_project

FIRING, RESOLVED = ("firing", "own.switch"), ("resolved", "own.switch")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Monitor]:
    with own_project(tmp_path / "own") as monitor:
        yield monitor


def test_sigterm_ends_it_with_all_that_hangs_and_systemd_is_notified(
    own: Monitor, tmp_path: Path
) -> None:
    own.mode("hang")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        own.add_environment(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="5000000")
        own.start(*OWN_ONLY)
        assert systemd.recv(100) == b"READY=1"
        assert systemd.recv(100) == b"WATCHDOG=1"
        detached = psutil.Process(own.hung_child())
        child = own.child()
        family = [detached, child, *child.children(recursive=True)]

        assert own.end(signal.SIGTERM) == 0

        while systemd.recv(100) != b"STOPPING=1":
            pass
    assert [process for process in family if not is_gone(process)] == []


def test_monitor_killed_between_firing_and_recovery_sends_each_once(own: Monitor) -> None:
    own.mode("broken")
    own.start(*OWN_ONLY)
    own.until_told(FIRING)
    own.end(signal.SIGKILL)
    own.mode("ok")
    own.start(*OWN_ONLY)
    own.until(lambda: len(own.told()) >= 2)
    own.rounds(1)

    assert own.told() == [FIRING, RESOLVED]

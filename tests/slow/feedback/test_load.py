"""Many reports at once, a kill and a full disk: nothing that was accepted is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from benchmarks import reports as load
from pytest_flowhealth.feedback.reports.store import proof_of
from tests.kit.install_reports import OPEN, Sender, count, receiving, report
from tests.kit.waiting import wait_for


def test_five_hundred_reports_are_counted_and_scrubbed(tmp_path: Path) -> None:
    with load.monitor(tmp_path) as (_, port):
        told = load.burst(port, 500, 4)
        assert load.judged(tmp_path, port, told, 500) == []
    assert (len(told.taken), told.refused) == (495, 5)


def test_every_accepted_report_survives_a_kill(tmp_path: Path) -> None:
    with receiving(tmp_path / "app", OPEN) as there:
        taken: list[str] = []
        threads = [threading.Thread(target=_until_it_breaks, args=(there, taken)) for _ in range(4)]
        for one in threads:
            one.start()
        wait_for(lambda: len(taken) >= 60)
        there.monitor.end(signal.SIGKILL)
        for one in threads:
            one.join(30)
        kept = {row[0] for row in there.monitor.rows("SELECT proof FROM reports")}
        assert {proof_of(one) for one in taken} <= kept
        # Those that were not answered in time, one for each sender.
        assert len(kept) <= len(taken) + 4
        there.start(interval="30s")
        assert Sender(there).erase(taken[0]) == 204


def _until_it_breaks(there: object, taken: list[str]) -> None:
    sender = Sender(there)  # type: ignore[arg-type]  # a Site
    try:
        while True:
            taken.append(sender.hand_in(report()).json()["id"])
    except (OSError, ValueError):
        pass


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="needs to mount")
def test_a_full_disk_refuses_reports_and_recovers(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with receiving(tmp_path / "app", OPEN) as there:
            there.monitor.end()
            there.monitor.history = disk / "history.db"
            there.start(interval="30s")
            sender = Sender(there)
            assert sender.hand_in(report()).status_code == 201
            (disk / "ballast").write_bytes(b"")
            fill(disk / "ballast")
            full = [sender.hand_in(report(context="x" * 50_000)) for _ in range(3)]
            assert 503 in {one.status_code for one in full}
            taken = 1 + [one.status_code for one in full].count(201)
            (disk / "ballast").unlink()
            there.monitor.until(lambda: sender.hand_in(report()).status_code == 201)
            assert count(there.monitor.history) >= taken + 1
            there.monitor.until(lambda: "reports can't be kept" in there.monitor.text)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    try:
        with path.open("ab") as file:
            while True:
                file.write(bytes(4_096))
                file.flush()
    except OSError:
        pass

"""Many reports at once, a kill and a full disk: nothing that was accepted is lost."""

import contextlib
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import reports as load
from pytest_flowhealth.install_reports.store import hash_id
from tests.kit.disks import fill, small_disk
from tests.kit.install_reports import OPEN, Sender, count, receiving, report
from tests.kit.site import Site
from tests.kit.waiting import wait_for


def test_five_hundred_reports_are_counted_and_scrubbed(tmp_path: Path) -> None:
    with load.monitor(tmp_path) as (_, port):
        burst = load.burst(port, 500, 4)
        assert load.judged(tmp_path, port, burst, 500) == []
    assert (len(burst.taken), burst.refused) == (495, 5)


def test_every_accepted_report_survives_a_kill(tmp_path: Path) -> None:
    with receiving(tmp_path / "app", OPEN) as shop, ThreadPoolExecutor() as pool:
        accepted: list[str] = []
        for _ in range(4):
            pool.submit(hand_in_until_it_breaks, shop, accepted)
        wait_for(lambda: len(accepted) >= 60)
        shop.monitor.end(signal.SIGKILL)
        pool.shutdown()
        kept = {row[0] for row in shop.monitor.rows("SELECT proof FROM reports")}
        assert {hash_id(each) for each in accepted} <= kept
        # Those that were not answered in time, one for each sender.
        assert len(kept) <= len(accepted) + 4
        shop.start(interval="30s")
        assert Sender(shop).erase(accepted[0]) == 204


def hand_in_until_it_breaks(shop: Site, accepted: list[str]) -> None:
    sender = Sender(shop)
    with contextlib.suppress(OSError, ValueError):
        while True:
            accepted.append(sender.hand_in(report()).json()["id"])


def test_a_full_disk_refuses_reports_and_recovers(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2_048) as disk, receiving(tmp_path / "app", OPEN) as shop:
        shop.monitor.end()
        shop.monitor.history = disk / "history.db"
        shop.start(interval="30s")
        sender = Sender(shop)
        assert sender.hand_in(report()).status_code == 201
        filler = fill(disk)
        full = [sender.hand_in(report(context="x" * 50_000)).status_code for _ in range(3)]
        assert 503 in full
        filler.unlink()
        shop.monitor.until(lambda: sender.hand_in(report()).status_code == 201)
        assert count(shop.monitor.history) >= 2 + full.count(201)
        shop.monitor.until(lambda: "reports can't be kept" in shop.monitor.text)
        assert shop.monitor.end() == 0

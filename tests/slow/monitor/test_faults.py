"""Further faults under a real monitor; tests/integration/monitor has one of each class."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.disks import fill, small_disk
from tests.kit.monitor import CALM_REDIS, OWN_ONLY, Monitor, own_project
from tests.kit.redis import RedisServer

FIRING, RESOLVED = ("firing", "own.switch"), ("resolved", "own.switch")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Monitor]:
    with own_project(tmp_path / "own", CALM_REDIS) as monitor:
        yield monitor


def test_redis_that_stands_still_alerts_and_resolves(own: Monitor, tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        own.add_environment(FLOWHEALTH_REDIS_URL=redis.url)
        own.start("--health-component", "redis")
        own.rounds(1)
        redis.suspend()
        own.until(own.told)
        redis.resume()
        own.until(lambda: all(kinds[-1] == "resolved" for kinds in own.kinds_by_alert().values()))

    # A round that was under way has failing checks besides; no alert is repeated.
    found = own.kinds_by_alert()
    assert "redis.connect" in found
    assert all(kinds == ["firing", "resolved"] for kinds in found.values()), found


def test_full_disk_loses_no_alert_and_no_round(own: Monitor) -> None:
    with small_disk(own.history.parent, 600) as disk:
        own.start(*OWN_ONLY)
        own.rounds(1)
        # The history is written beside the rounds.
        own.until(lambda: own.rows("SELECT 1 FROM sqlite_master WHERE name = 'runs'"))
        filler = fill(disk)
        own.mode("broken")
        own.until(own.told)
        rounds = own.rounds(4)
        filler.unlink()
        own.until(lambda: own.rows("SELECT count(*) FROM runs")[0][0] >= len(rounds))
        own.mode("ok")
        own.until_told(FIRING, RESOLVED)

        assert "disk is full" in str(own.events("problem"))
        own.end(signal.SIGKILL)


def test_rounds_with_two_workers_find_the_failing_check(own: Monitor) -> None:
    own.mode("broken")
    own.start(*OWN_ONLY, "-n", "2")
    own.until(own.told)

    assert own.told() == [FIRING]

"""Which connections to a Redis are workers of a queue."""

from base64 import b64encode

import pytest

from pytest_flowhealth.probes.fleet.sources.queue_workers import find_workers, waits_for_jobs

QUEUE = b64encode(b"jobs").decode()
WORKER = {"addr": "h:1", "db": "0", "name": f"bull:{QUEUE}", "cmd": "bzpopmin"}


@pytest.mark.parametrize(
    ("change", "total", "elsewhere"),
    [
        ({}, 1, ()),
        ({"name": f"bull:{QUEUE}:w:mine"}, 1, ()),
        ({"name": f"undefined:{QUEUE}"}, 1, ()),
        ({"name": f"team:{QUEUE}"}, 0, ("one in database 0 with the prefix team",)),
        ({"db": "1"}, 0, ("one in database 1 with the prefix bull",)),
        ({"name": f"bull:{b64encode(b'other').decode()}"}, 0, ()),
        ({"name": "", "cmd": "get"}, 0, ()),
        ({"cmd": "get"}, 1, ()),
    ],
)
def test_a_worker_is_a_connection_with_the_name_of_its_queue(
    change: dict[str, str], total: int, elsewhere: tuple[str, ...]
) -> None:
    found = find_workers([WORKER | change], "jobs", prefix="bull", database=0, blocking=False)
    assert (len(found.members), found.elsewhere, found.never) == (total, elsewhere, {})


@pytest.mark.parametrize(
    ("others", "complete"),
    [
        ([], True),
        ([{"name": "", "cmd": "client|list", "db": "0"}], True),
        ([{"name": "", "cmd": "client", "db": "0"}], True),
        ([{"name": "", "cmd": "get", "db": "0"}], False),
        ([{"name": "", "cmd": "get", "db": "1"}], True),
        ([{"name": "cache", "cmd": "get", "db": "0"}], True),
    ],
)
def test_a_connection_without_a_name_may_be_a_worker_that_is_missed(
    others: list[dict[str, str]], complete: bool
) -> None:
    found = find_workers([WORKER, *others], "jobs", prefix="bull", database=0, blocking=False)
    assert found.complete is complete


def test_in_bull_only_the_connection_that_waits_for_jobs_is_a_worker() -> None:
    clients = [WORKER, WORKER | {"cmd": "evalsha"}]
    found = find_workers(clients, "jobs", prefix="bull", database=0, blocking=True)
    assert len(found.members) == 1


@pytest.mark.parametrize(
    ("clients", "reason"),
    [("CLIENT LIST is not available", "CLIENT LIST"), ([WORKER | {"name": ""}], "have no names")],
)
def test_without_names_the_workers_are_not_known(clients: object, reason: str) -> None:
    found = find_workers(clients, "jobs", prefix="bull", database=0, blocking=False)  # type: ignore[arg-type]
    assert reason in found.never["agents"]


def test_a_connection_waits_for_jobs_in_its_own_database() -> None:
    assert waits_for_jobs({"cmd": "brpoplpush", "db": "2"}, 2)
    assert not waits_for_jobs({"cmd": "brpoplpush", "db": "2"}, 0)
    assert not waits_for_jobs({"cmd": "get", "db": "0"}, 0)

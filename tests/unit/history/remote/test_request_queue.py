"""What waits for a server: bounded, in order, sent by one process at a time."""

from pathlib import Path

from pytest_flowhealth.history.remote.request_queue import QueueLimits, RequestQueue
from tests.kit.writers import drained


def bodies(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def test_requests_come_back_in_order_also_after_a_restart(tmp_path: Path) -> None:
    queue = RequestQueue(tmp_path / "queue")
    for body in bodies(5):
        queue.put(body)

    assert len(RequestQueue(tmp_path / "queue")) == 5
    assert drained(queue) == bodies(5)
    assert list((tmp_path / "queue").iterdir()) == []


def test_order_stays_when_the_clock_goes_back(tmp_path: Path) -> None:
    times = iter((9.0, 9.0, 5.0, 5.0, 1.0, *([1.0] * 99)))
    queue = RequestQueue(tmp_path / "queue", QueueLimits(age=1e9), clock=lambda: next(times))
    for body in bodies(3):
        queue.put(body)

    assert drained(queue) == bodies(3)


def test_size_is_bounded_and_the_oldest_requests_are_dropped(tmp_path: Path) -> None:
    queue = RequestQueue(tmp_path / "queue", QueueLimits(size=1_000))
    for number in range(10):
        queue.put(bytes([number]) * 300)

    assert (len(queue), queue.lost.count) == (3, 7)
    assert "7 requests from 20" in str(queue.lost)
    assert drained(queue)[0] == bytes([7]) * 300


def test_age_is_bounded(tmp_path: Path) -> None:
    now = 1_000_000.0
    queue = RequestQueue(tmp_path / "queue", QueueLimits(age=60), clock=lambda: now)
    queue.put(b"old")
    now += 61
    queue.put(b"new")

    assert drained(queue) == [b"new"]
    assert queue.lost.count == 1


def test_request_dropped_while_it_is_sent_removes_no_other(tmp_path: Path) -> None:
    queue = RequestQueue(tmp_path / "queue", QueueLimits(size=700))
    queue.put(b"1" * 300)
    queue.put(b"2" * 300)
    sending = queue.first()
    assert sending is not None
    queue.put(b"3" * 300)  # the first one goes, for want of room
    queue.done(sending.at)

    assert drained(queue) == [b"2" * 300, b"3" * 300]


def test_queue_without_a_folder_is_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    queue = RequestQueue(tmp_path / "file" / "queue", QueueLimits(held=2))
    for body in (b"1", b"2", b"3"):
        queue.put(body)

    assert queue.lost.count == 1
    assert queue.claim()
    assert drained(queue) == [b"2", b"3"]


def test_only_one_queue_of_a_folder_sends_at_a_time(tmp_path: Path) -> None:
    one, two = RequestQueue(tmp_path / "queue"), RequestQueue(tmp_path / "queue")
    assert one.claim()
    assert not two.claim()
    two.put(b"of two")
    assert drained(one) == [b"of two"]
    two.refresh()
    assert len(two) == 0
    one.release()
    assert two.claim()
    two.release()

"""Processes that write to a history or to a queue until they are killed."""

import contextlib
import itertools
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from pytest_flowhealth.history.database import connect
from pytest_flowhealth.history.remote.request_queue import RequestQueue
from pytest_flowhealth.history.store import add_samples

Write = Callable[[Path, Connection], None]


def write_samples(path: Path, told: Connection) -> None:
    """Add samples to a history, and tell each number that is stored."""
    file = connect(path, wait=5)
    for number in itertools.count():
        add_samples(file, {f"m{one}": [(time.time(), number)] for one in range(12)})
        told.send(number)
        time.sleep(0.01)


def put_requests(folder: Path, told: Connection) -> None:
    """Put requests into a queue, and tell each number that is stored."""
    queue = RequestQueue(folder)
    for number in itertools.count():
        queue.put(b"%d" % number * 1_000)
        told.send(number)


@contextlib.contextmanager
def writing(write: Write, path: Path) -> Iterator[Callable[[], int]]:
    """Run `write` in a process that is killed at the end, and that has stored something before.

    Gives a function that kills it at once and returns the last number that it told.
    """
    context = multiprocessing.get_context("forkserver")
    told, its_end = context.Pipe(duplex=False)
    process = context.Process(target=write, args=(path, its_end))
    process.start()
    its_end.close()

    def kill() -> int:
        process.kill()
        process.join()
        with contextlib.suppress(EOFError, OSError):
            while True:
                numbers.append(told.recv())
        return numbers[-1]

    with told:
        try:
            numbers: list[int] = [told.recv()]
            yield kill
        finally:
            process.kill()
            process.join()


def kill_at_any_moment(write: Write, path: Path) -> int:
    """Run `write` for up to a tenth of a second, and return the last number that it told."""
    with writing(write, path) as kill:
        time.sleep(random.uniform(0, 0.1))
        return kill()


def assert_kills_lose_no_samples(path: Path, kills: int) -> None:
    """Kill writers of a history: it stays intact, and has all that was told."""
    for _ in range(kills):
        last = kill_at_any_moment(write_samples, path)
        with contextlib.closing(connect(path, wait=5)) as file:
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert file.execute("SELECT max(value) FROM samples").fetchone()[0] >= last


def assert_kills_lose_no_requests(folder: Path, kills: int) -> None:
    """Kill writers of a queue: it has all that was told, whole and in order."""
    for _ in range(kills):
        last = kill_at_any_moment(put_requests, folder)
        found = drained(RequestQueue(folder))
        assert found == [b"%d" % number * 1_000 for number in range(len(found))]
        # The last one may have been stored, but not told any more.
        assert len(found) in (last + 1, last + 2)


def drained(queue: RequestQueue) -> list[bytes]:
    """Take everything out of a queue."""
    found = []
    while (waiting := queue.first()) is not None:
        found.append(waiting.body)
        queue.done(waiting.at)
    return found

"""Requests that start on time whatever became of those before: an open schedule.

A client that waits for each answer before it asks again sends nothing while the server stalls:
of a second's standstill it sees one slow answer, where its users would have seen dozens
("coordinated omission", Gil Tene; wrk2 and HdrHistogram correct for it). Here request number i is
due at `start + i * interval` and starts then, in a thread of its own where the others still wait.
Where even those are all busy it starts late, and its time counts from when it was due; where one is
idle, its time counts from its start: that a timer rings late is this machine's doing, not the
server's.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence

Job = Callable[[float], None]
"""What is done; takes the moment from which its time counts."""

MOST = 32
"""Requests that may be under way at once."""


class OpenLoop:
    """Threads that do jobs; as many as are busy at once, `MOST` at the most."""

    def __init__(self) -> None:
        # None for a moment: it begins when it is begun.
        self._jobs: queue.SimpleQueue[tuple[Job, float | None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = threading.Semaphore(0)
        self._open = 0
        self._done = threading.Condition(self._lock)
        self._threads = 0

    def run(self, jobs: Sequence[Job], interval: float, longest: float) -> bool:
        """Start each job when it is due, and wait until all are done.

        Args:
            jobs: What to do; each ends by itself, and raises nothing.
            interval: Seconds between two of them.
            longest: Seconds after the last one is due that are waited for at most.

        Returns:
            Whether all are done.
        """
        start = time.monotonic() + interval
        for number, job in enumerate(jobs):
            due = start + number * interval
            time.sleep(max(0.0, due - time.monotonic()))
            self._submit(job, due)
        with self._done:
            done = self._done.wait_for(lambda: self._open == 0, timeout=longest)
        for _ in range(self._threads):
            self._jobs.put(None)
        return done

    def _submit(self, job: Job, due: float) -> None:
        with self._lock:
            self._open += 1
        idle = self._idle.acquire(blocking=False)
        self._jobs.put((job, None if idle or self._threads < MOST else due))
        if not idle and self._threads < MOST:
            self._threads += 1
            threading.Thread(target=self._work, name="flowhealth lane", daemon=True).start()

    def _work(self) -> None:
        while (entry := self._next()) is not None:
            job, due = entry
            try:
                job(time.monotonic() if due is None else due)
            finally:
                with self._done:
                    self._open -= 1
                    self._done.notify_all()

    def _next(self) -> tuple[Job, float | None] | None:
        try:
            return self._jobs.get_nowait()
        except queue.Empty:
            self._idle.release()
            return self._jobs.get()

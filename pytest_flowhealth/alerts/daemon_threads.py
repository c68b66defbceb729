"""Run blocking functions beside the event loop.

Unlike in asyncio's pool, a call that hangs delays neither other calls nor the process's end.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")

_IDLE_MOST = 2
_idle: list[queue.SimpleQueue[Callable[[], None]]] = []
"""The queues of threads that wait for work; more than a few are not kept."""


async def run_in_thread(function: Callable[[], Result]) -> Result:
    """Return what a function returns, called in a daemon thread."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(set_outcome: Callable[[Any], None], outcome: object) -> None:
        if not future.done():
            set_outcome(outcome)

    def call() -> None:
        set_outcome: Callable[[Any], None] = future.set_result
        try:
            outcome: object = function()
        except BaseException as error:  # noqa: BLE001  # it is raised where it is awaited
            set_outcome, outcome = future.set_exception, error
        # RuntimeError: the loop has ended meanwhile.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, set_outcome, outcome)

    try:
        jobs = _idle.pop()
    except IndexError:
        jobs = queue.SimpleQueue()
        threading.Thread(target=_work, args=(jobs,), daemon=True).start()
    jobs.put(call)
    return await future


def _work(jobs: queue.SimpleQueue[Callable[[], None]]) -> None:
    while True:
        jobs.get()()
        if len(_idle) >= _IDLE_MOST:
            return
        _idle.append(jobs)

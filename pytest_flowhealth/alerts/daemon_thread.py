"""Run a blocking function beside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


async def run_in_thread(function: Callable[[], Result], name: str | None = None) -> Result:
    """Return what a function returns, called in a daemon thread of its own.

    Unlike in asyncio's pool, a call that hangs delays neither other calls nor the process's end.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(set_outcome: Callable[[Any], None], outcome: object) -> None:
        if not future.done():
            set_outcome(outcome)

    def call() -> None:
        settler: Callable[[Any], None] = future.set_result
        try:
            outcome: object = function()
        except BaseException as error:  # noqa: BLE001  # it is raised where it is awaited
            settler, outcome = future.set_exception, error
        # RuntimeError: the loop has ended meanwhile.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, settler, outcome)

    threading.Thread(target=call, daemon=True, name=name).start()
    return await future

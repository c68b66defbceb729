"""Blocking functions beside the event loop: one that hangs delays nothing."""

import asyncio
import threading

import pytest

from pytest_flowhealth.alerts.daemon_threads import run_in_thread


def test_call_that_hangs_delays_neither_others_nor_the_end_of_the_loop() -> None:
    release = threading.Event()

    async def call_both() -> str:
        hung = [asyncio.create_task(run_in_thread(release.wait)) for _ in range(50)]
        await asyncio.sleep(0)
        found = await run_in_thread(lambda: "answer")
        assert not any(task.done() for task in hung)
        return found

    try:
        assert asyncio.run(call_both()) == "answer"
    finally:
        release.set()


def test_error_is_raised_where_the_call_is_awaited() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run_in_thread(lambda: 1 // 0))


def test_threads_are_used_again() -> None:
    async def call_often() -> set[int]:
        return {await run_in_thread(threading.get_ident) for _ in range(20)}

    assert len(asyncio.run(call_often())) < 10

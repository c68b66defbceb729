"""Errors that no assertion sees make a check, or the run, unknown, whatever the project filters."""

import pytest

from tests.kit.runs import RunChecks

CHECK = '@pytest.mark.health("app")\n'
TASK = """
import asyncio, logging, threading, warnings
from concurrent import futures
KEPT = []
POOL = futures.ThreadPoolExecutor(1)
async def fail():
    raise OSError("gone")
def run(start):
    async def main():
        start(asyncio.get_running_loop())
        await asyncio.sleep(0.01)
    asyncio.run(main())
"""
ERRORS = {
    "a coroutine": ("fail()", "coroutine 'fail' was never awaited"),
    "a coroutine that is kept": ("KEPT.append(fail())", "coroutine 'fail' was never awaited"),
    "a task": ("run(lambda loop: loop.create_task(fail()) and None)", "OSError: gone"),
    "a task that is kept": ("run(lambda loop: KEPT.append(loop.create_task(fail())))", "gone"),
    "a callback": ("run(lambda loop: loop.call_soon(lambda: 1 / 0))", "ZeroDivisionError"),
    "a thread": (
        "t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()",
        "Exception in thread Thread-1 (<lambda>): ZeroDivisionError: division by zero",
    ),
    "a thread that ends after its check": (
        "threading.Thread(target=lambda: time.sleep(0.2) or 1 / 0).start()",
        "ZeroDivisionError: division by zero",
    ),
    "a thread without an object": (
        "import _thread; _thread.start_new_thread(lambda: 1 / 0, ()); time.sleep(0.1)",
        "Exception ignored in thread started by",
    ),
    "a future": ("with POOL as pool:\n        pool.submit(lambda: 1 / 0)", "ZeroDivisionError"),
    "a future that is kept": ("KEPT.append(POOL.submit(lambda: 1 / 0))", "ZeroDivisionError"),
    "a future that is waited for": (
        "futures.wait([POOL.submit(lambda: 1 / 0)])",
        "Exception in a future: ZeroDivisionError: division by zero",
    ),
    "a future that ends after its check": (
        "POOL.submit(lambda: time.sleep(0.2) or 1 / 0)",
        "ZeroDivisionError",
    ),
    "a result": ("return False", "it returned False in place of asserting"),
}
HIDE = "logging.disable(); warnings.simplefilter('ignore')"


@pytest.mark.parametrize(("body", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_an_error_that_nobody_observed_is_a_reason(
    run_checks: RunChecks, body: str, words: str
) -> None:
    source = f"{TASK}{CHECK}def test_it():\n    {HIDE}\n    {body}\n"

    result = run_checks(source, "-W", "ignore", unguarded=True)

    assert (result.exit_code, result.health["status"]) == (3, "unknown"), result.text
    assert words in " ".join(result.reasons)


@pytest.mark.parametrize("mark", ["", "@pytest.mark.filterwarnings('ignore')\n"])
def test_every_error_that_nobody_observed_is_a_reason_beside_others(
    run_checks: RunChecks, mark: str
) -> None:
    checks = [
        f"{CHECK}{mark}def test_{number}():\n    {body}\n"
        for number, (body, _) in enumerate(ERRORS.values())
    ]

    result = run_checks(TASK + "".join(checks), "-W", "ignore", unguarded=True)

    reasons = " ".join(result.reasons)
    assert [name for name, (_, words) in ERRORS.items() if words not in reasons] == []


def test_an_error_that_was_observed_is_none(run_checks: RunChecks) -> None:
    body = "run(lambda loop: loop.create_task(fail()).add_done_callback(lambda t: t.exception()))"
    leaves = "threading.Thread(target=lambda: time.sleep(0.1) or sys.exit()).start()"

    asks = "assert isinstance(POOL.submit(lambda: 1 / 0).exception(), ArithmeticError)"
    maps = "with pytest.raises(ArithmeticError):\n        list(POOL.map(lambda x: 1 / x, [0]))"
    source = f"{TASK}{CHECK}def test_it():\n    {body}\n    {leaves}\n    {asks}\n    {maps}\n"

    run_checks(source).assert_healthy()


def test_a_prefetched_answer_that_no_check_asks_for_is_no_error(run_checks: RunChecks) -> None:
    source = (
        "from pytest_flowhealth import prefetch\n@prefetch\ndef answer():\n    1 / 0\n"
        f"{CHECK}def test_it(answer):\n    time.sleep(0.1)\n"
    )

    run_checks(source).assert_healthy()

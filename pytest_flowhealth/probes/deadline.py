"""A bound in time for a library that has none.

redis-py limits each read of the socket, and a server that sends a byte a
second never reaches such a limit; looking up a name has no limit at all. So
the work is done in a thread, and whoever asked stops waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class CallOutcome(Generic[Result]):
    """How a piece of work ended: `done` with its `result`, with an `error`, or not at all."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.error: BaseException | None = None

    @property
    def late(self) -> bool:
        """Whether neither a result nor an error came in time."""
        return self.error is None and not self.results


def within(
    seconds: float, work: Callable[[], Result], give_up: Callable[[], None]
) -> CallOutcome[Result]:
    """Do `work` in a thread, and wait for it for `seconds` at most.

    Args:
        seconds: The limit.
        work: What to do. It may go on after the limit: `give_up` must end it.
        give_up: Called when the time is up, or the waiting interrupted (Ctrl-C),
            from the waiting thread: closes what `work` waits for.

    Returns:
        The outcome as it is when the time is up; errors are in it, not raised,
        so that the one who knows their meaning raises without a chain.
    """
    shared: CallOutcome[Result] = CallOutcome()

    def body() -> None:
        try:
            shared.results.append(work())
        except BaseException as error:  # noqa: BLE001  # judged by the one who waits
            shared.error = error

    thread = threading.Thread(target=body, name="flowhealth probe", daemon=True)
    thread.start()
    try:
        thread.join(max(0.0, seconds))
    finally:
        late = thread.is_alive()
        if late:
            give_up()
    return CallOutcome() if late else shared

"""Observe errors that no assertion sees: in threads, in asyncio tasks and callbacks, and coroutines that never ran.

Each is observed where Python reports it, before warning filters and log levels can hide it.
"""

from __future__ import annotations

import gc
import inspect
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from time import monotonic  # a check may leave a mock of time.monotonic behind
from types import CoroutineType
from typing import Any

from pytest_flowhealth.domain.text import one_line

_LONGEST = 200
_PATIENCE = 1.0
_ASYNCIO = logging.getLogger("asyncio")


class ErrorObserver:
    """Report each error in one line.

    Args:
        report: Called with the line, possibly in another thread.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._send = report
        self._reported: set[str] = set()
        self._threads: list[threading.Thread] = []
        self._thread_hook = threading.excepthook
        self._warn_unawaited: Any = None

    def install(self) -> None:
        """Start observing."""
        self._threads = threading.enumerate()
        self._thread_hook = threading.excepthook
        threading.excepthook = self._observe_thread
        # The interpreter calls this function for a coroutine that is dropped before it ran.
        self._warn_unawaited = warnings._warn_unawaited_coroutine  # type: ignore[attr-defined]  # noqa: SLF001
        warnings._warn_unawaited_coroutine = self._observe_unawaited  # type: ignore[attr-defined]  # noqa: SLF001
        # asyncio and uvloop report there what a task or a callback raised.
        _ASYNCIO.error = self._observe_asyncio  # type: ignore[method-assign, assignment]

    def remove(self) -> None:
        """Report what is left, and stop observing.

        Threads that the interpreter would wait for anyway are given a second to end.
        """
        self._join_threads(monotonic() + _PATIENCE)
        for text in _find_left_behind():
            if one_line(text, _LONGEST) not in self._reported:
                self._report(text)
        threading.excepthook = self._thread_hook
        warnings._warn_unawaited_coroutine = self._warn_unawaited  # type: ignore[attr-defined]  # noqa: SLF001
        del _ASYNCIO.error

    def _join_threads(self, deadline: float) -> None:
        futures = sys.modules.get("concurrent.futures.thread")
        pooled = getattr(futures, "_threads_queues", ())  # their threads wait for more work
        for thread in threading.enumerate():
            own = thread in self._threads or thread is threading.current_thread()
            if not (own or thread.daemon or thread in pooled):
                thread.join(max(0.0, deadline - monotonic()))

    def _report(self, text: str) -> None:
        line = one_line(text, _LONGEST)
        self._reported.add(line)
        self._send(line)

    def _observe_thread(self, arguments: threading.ExceptHookArgs) -> None:
        if issubclass(arguments.exc_type, SystemExit):
            return  # ends the thread in silence, as Python does; pytest's hook would warn of it
        name = arguments.thread.name if arguments.thread else "?"
        self._report(
            f"Exception in thread {name}: {arguments.exc_type.__name__}: {arguments.exc_value}"
        )
        self._thread_hook(arguments)

    def _observe_unawaited(self, coroutine: CoroutineType[Any, Any, Any]) -> None:
        self._report(_describe_unawaited(coroutine))
        self._warn_unawaited(coroutine)

    def _observe_asyncio(self, message: str, *args: Any, exc_info: Any = None, **more: Any) -> None:
        error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
        if isinstance(error, BaseException):
            first = str(message).partition("\n")[0]
            self._report(f"asyncio: {first}: {type(error).__name__}: {error}")
        logging.Logger.error(_ASYNCIO, message, *args, exc_info=exc_info, **more)


def _find_left_behind() -> Iterator[str]:
    """Yield coroutines that never ran and errors of futures that nobody asked for, of all that is left."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return
    everything = gc.get_objects()
    kinds = {*map(type, everything)}
    wanted = {kind for kind in kinds if issubclass(kind, (CoroutineType, asyncio.Future))}
    for thing in everything if wanted else ():
        if type(thing) not in wanted:
            continue
        if isinstance(thing, CoroutineType):
            if inspect.getcoroutinestate(thing) == inspect.CORO_CREATED:
                yield _describe_unawaited(thing)
        elif getattr(thing, "_log_traceback", False):
            error = thing.exception()
            yield f"asyncio: exception was never retrieved: {type(error).__name__}: {error}"


def _describe_unawaited(coroutine: CoroutineType[Any, Any, Any]) -> str:
    return f"coroutine '{coroutine.__qualname__}' was never awaited"

"""Observe errors that no assertion sees: in threads, futures, asyncio tasks and callbacks, unused coroutines.

Each is observed where Python reports it, before warning filters and log levels can hide it.
"""

from __future__ import annotations

import functools
import gc
import inspect
import logging
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from time import monotonic  # a check may leave a mock of time.monotonic behind
from types import CoroutineType
from typing import Any

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.plugin.reporting.messages import summarize

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
        self._unraisable_hook = sys.unraisablehook
        self._warn_unawaited: Any = None
        self._futures = FutureObserver(self._report)

    def install(self) -> None:
        """Start observing."""
        self._threads = threading.enumerate()
        self._thread_hook = threading.excepthook
        threading.excepthook = self._observe_thread
        self._unraisable_hook = sys.unraisablehook
        sys.unraisablehook = self._observe_unraisable
        # The interpreter calls this function for a coroutine that is dropped before it ran.
        self._warn_unawaited = warnings._warn_unawaited_coroutine  # type: ignore[attr-defined]  # noqa: SLF001
        warnings._warn_unawaited_coroutine = self._observe_unawaited  # type: ignore[attr-defined]  # noqa: SLF001
        # asyncio and uvloop report there what a task or a callback raised.
        _ASYNCIO.error = self._observe_asyncio  # type: ignore[method-assign, assignment]
        self._futures.install()

    def remove(self) -> None:
        """Report what is left, and stop observing.

        Threads that the interpreter would wait for anyway are given a second to end.
        """
        self._join_threads(monotonic() + _PATIENCE)
        self._futures.remove()
        for text in _find_left_behind():
            if one_line(text, _LONGEST) not in self._reported:
                self._report(text)
        threading.excepthook = self._thread_hook
        sys.unraisablehook = self._unraisable_hook
        warnings._warn_unawaited_coroutine = self._warn_unawaited  # type: ignore[attr-defined]  # noqa: SLF001
        del _ASYNCIO.error

    def _join_threads(self, deadline: float) -> None:
        futures = sys.modules.get("concurrent.futures.thread")
        pooled = getattr(futures, "_threads_queues", ())  # their threads wait for more work
        for thread in threading.enumerate():
            own = thread in self._threads or thread is threading.current_thread()
            if not (own or thread.daemon or thread in pooled):
                thread.join(max(0.0, deadline - monotonic()))
        if pooled:
            wait(_find_unfinished(), max(0.0, deadline - monotonic()))

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

    def _observe_unraisable(self, arguments: sys.UnraisableHookArgs) -> None:
        # Of a finalizer that fails, libraries are full; a plain thread or a callback is the check's.
        where = arguments.err_msg or ""
        if arguments.exc_value and ("thread started by" in where or "ctypes callback" in where):
            self._report(f"{one_line(where, 80)}: {summarize(arguments.exc_value)}")
        self._unraisable_hook(arguments)

    def _observe_unawaited(self, coroutine: CoroutineType[Any, Any, Any]) -> None:
        self._report(_describe_unawaited(coroutine))
        self._warn_unawaited(coroutine)

    def _observe_asyncio(self, message: str, *args: Any, exc_info: Any = None, **more: Any) -> None:
        error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
        if isinstance(error, BaseException):
            first = str(message).partition("\n")[0]
            self._report(f"asyncio: {first}: {type(error).__name__}: {error}")
        logging.Logger.error(_ASYNCIO, message, *args, exc_info=exc_info, **more)


class FutureObserver:
    """Report the exceptions of `concurrent.futures` that nobody asks for.

    As asyncio does for its own futures: when the last reference is gone, or at the end. A future with a
    callback is one that somebody asks.

    Args:
        report: Called with the line, possibly in another thread.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._send = report
        self._unasked: dict[int, tuple[weakref.ref[Future[Any]], str]] = {}
        self._originals: dict[str, Callable[..., Any]] = {}

    def install(self) -> None:
        """Start observing."""
        questions = ("result", "exception", "add_done_callback")
        self._originals = {name: getattr(Future, name) for name in questions}
        for name, ask in self._originals.items():
            setattr(Future, name, self._watch_question(ask))
        self._originals["set_exception"] = set_exception = Future.set_exception
        setattr(Future, "set_exception", self._watch_exception(set_exception))  # noqa: B010  # a method of another class

    def remove(self) -> None:
        """Report what nobody has asked for, and stop observing."""
        for name, original in self._originals.items():
            setattr(Future, name, original)
        for key in [*self._unasked]:
            self._report(key)

    def _watch_question(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(ask)
        def watch(future: Future[Any], *args: Any, **named: Any) -> Any:
            __tracebackhide__ = True
            try:
                return ask(future, *args, **named)
            finally:
                if future.done():
                    self._unasked.pop(id(future), None)

        return watch

    def _watch_exception(self, set_exception: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(set_exception)
        def watch(future: Future[Any], exception: BaseException | None) -> None:
            if exception is not None and not future._done_callbacks:  # type: ignore[attr-defined]  # noqa: SLF001  # no public way
                key = id(future)
                text = f"Exception in a future: {summarize(exception)}"
                reference = weakref.ref(future, lambda _: self._report(key))
                self._unasked[key] = reference, text
            set_exception(future, exception)

        return watch

    def _report(self, key: int) -> None:
        _, text = self._unasked.pop(key, (None, None))
        if text is not None:
            self._send(f"{text} (nobody asked for its result)")


def _find_unfinished() -> list[Future[Any]]:
    """Return the futures that a pool of threads still works on, and nobody has a callback on."""
    return [
        thing
        for thing in gc.get_objects()
        if isinstance(thing, Future) and not (thing.done() or thing._done_callbacks)  # type: ignore[attr-defined]  # noqa: SLF001
    ]


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

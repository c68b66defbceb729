"""Fixtures whose slow work starts before the first check and runs in the background.

A run then lasts about as long as its slowest probe, not as long as their sum.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import Any, ParamSpec, TypeVar, overload

import pytest

from pytest_flowhealth.plugin.execution.project import get_preparation
from pytest_flowhealth.probes.command import end_all

Params = ParamSpec("Params")
Result = TypeVar("Result")

_QUIET = 0.75
"""Seconds for which a quiet probe is left alone at most."""

_names: dict[str, None] = {}
_quiet: dict[Callable[..., Any], bool] = {}


@overload
def prefetch(function: Callable[Params, Result]) -> Callable[Params, Future[Result]]: ...


@overload
def prefetch(
    *, quiet: bool = False
) -> Callable[[Callable[Params, Result]], Callable[Params, Future[Result]]]: ...


def prefetch(function: Callable[..., Any] | None = None, *, quiet: bool = False) -> Any:
    """Make a session fixture of a slow function: its value is a `concurrent.futures.Future`.

    The function starts in a thread of its own before the first check, if a selected check uses
    the fixture. The check calls `.result()`, which waits, and raises what the function raised.
    ::

        @prefetch
        def versions(target):
            return ask_the_registry(target)

        @pytest.mark.health("package")
        def test_version(health, versions):
            health.detail(versions=versions.result())

    Args:
        function: Its parameters are fixtures of session scope. It must end by itself: give it a
            timeout.
        quiet: Start it before all others, and give it up to 0.75 s alone: for a measurement that
            they would disturb.
    """
    if function is None:
        return lambda decorated: _make_fixture(decorated, quiet=quiet)
    return _make_fixture(function, quiet=quiet)


def _make_fixture(function: Callable[..., Any], *, quiet: bool) -> Any:
    def start(**fixtures: Any) -> Future[Any]:
        return _submit(function, fixtures)

    start.__name__ = function.__name__
    start.__doc__ = function.__doc__
    start.__module__ = function.__module__
    start.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]  # inspect reads it
    _names[function.__name__] = None
    _quiet[start] = quiet
    return pytest.fixture(scope="session", name=function.__name__)(start)


def _submit(function: Callable[..., Any], fixtures: dict[str, Any]) -> Future[Any]:
    future: Future[Any] = Future()
    # A check that is not applicable never asks: what it would have been told is no error of the run.
    future.add_done_callback(lambda _: None)

    def work() -> None:
        try:
            future.set_result(function(**fixtures))
        except BaseException as error:  # noqa: BLE001  # raised again by result()
            future.set_exception(error)

    # A daemon, so that one that does not end can't keep the process alive.
    name = f"flowhealth {function.__name__}"
    threading.Thread(target=work, name=name, daemon=True).start()
    return future


class Prefetcher:
    """Start the prefetched fixtures of the selected checks before the first check."""

    def start(self, session: pytest.Session) -> None:
        """Start the quiet ones one by one, then all others."""
        wanted = _find_fixtures(session.items) if _names else {}
        if not wanted:
            return
        if any(quiet for _, quiet in wanted.values()) and (
            preparation := get_preparation(session.config)
        ):
            wait([preparation], _QUIET)
        # Fixtures of session scope can be made once the session itself is set up.
        session._setupstate.setup(session)  # type: ignore[arg-type]  # noqa: SLF001  # pytest has no public way
        for name, (item, quiet) in sorted(wanted.items(), key=lambda entry: not entry[1][1]):
            # What goes wrong here goes wrong again, and is reported, when the check is set up.
            with (
                contextlib.suppress(Exception, pytest.fail.Exception, pytest.skip.Exception),
                _active(item),
            ):
                future = item._request.getfixturevalue(name)  # noqa: SLF001  # as above
                if quiet:
                    wait([future], _QUIET)

    def stop(self) -> None:
        """End the programs that prefetched probes have started."""
        end_all()


@contextlib.contextmanager
def _active(item: Any) -> Iterator[None]:
    """Let `item` request fixtures as if it was being set up."""
    stack = item.session._setupstate.stack  # noqa: SLF001  # as above
    stack[item] = ([], None)
    try:
        yield
    finally:
        del stack[item]


def forget_prefetched(item: pytest.Item) -> None:
    """Let the prefetched fixtures of `item` start again when they are asked for next."""
    node: Any = item
    if not node._request:  # noqa: SLF001  # pytest drops it at the end of an attempt, and a fixture's end needs it
        node._initrequest()  # noqa: SLF001  # as pytest does for another attempt
    for definition in _prefetched(item).values():
        definition.finish(node._request)  # noqa: SLF001  # as above


def _find_fixtures(items: list[pytest.Item]) -> dict[str, tuple[Any, bool]]:
    """Return each prefetched fixture with an item that uses it, and whether it is quiet."""
    found: dict[str, tuple[Any, bool]] = {}
    for item in items:
        for name, definition in _prefetched(item).items():
            found.setdefault(name, (item, _quiet[definition.func]))
    return found


def _prefetched(item: pytest.Item) -> dict[str, Any]:
    return dict(_iterate_prefetched(item))


def _iterate_prefetched(item: pytest.Item) -> Iterator[tuple[str, Any]]:
    info = getattr(item, "_fixtureinfo", None)
    for name in getattr(item, "fixturenames", ()):
        if name in _names and info is not None:
            definitions = info.name2fixturedefs.get(name, ())
            if definitions and definitions[-1].func in _quiet:
                yield name, definitions[-1]

"""Watch whether a check's test function ran, and what it raised.

A `pytest_pyfunc_call` of another plugin that returns True keeps the function from running, a hook can
put another function in its place, and a wrapper around `pytest_runtest_call` can catch what it raised:
pytest then reports a pass.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

import pytest
from _pytest.unittest import TestCaseFunction

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.plugin.execution.running_check import Attempt, RunningCheck
from pytest_flowhealth.plugin.reporting.messages import safe_repr


@contextlib.contextmanager
def watch_body(item: pytest.Item, check: RunningCheck) -> Iterator[None]:
    """Note in the attempt that the test function was entered, and what it raised.

    Items that are not Python functions, and generators, are left alone.
    """
    body, attempt = getattr(item, "obj", None), check.attempt
    if check.code is not None and not _runs(body, check.code):
        attempt.doubts.append("a hook or a plugin put another function in the place of its own")
    watcher = _make_watcher(item, body, attempt) if isinstance(item, pytest.Function) else None
    if watcher is None:
        yield
        return
    attempt.body_started = False
    item.obj = watcher  # type: ignore[attr-defined]  # pytest.Function has a setter
    try:
        yield
    finally:
        item.obj = body  # type: ignore[attr-defined]  # as above


def _runs(function: object, code: CodeType) -> bool:
    """Tell whether a function, or what it wraps, has this code."""
    while function is not None:
        if getattr(function, "__code__", None) is code:
            return True
        function = getattr(function, "__wrapped__", None) or getattr(function, "func", None)
    return False


def _make_watcher(
    item: pytest.Function, body: object, attempt: Attempt
) -> Callable[..., Any] | None:
    if not callable(body) or inspect.isasyncgenfunction(body) or inspect.isgeneratorfunction(body):
        return None
    if not inspect.iscoroutinefunction(body):
        return _watch_function(body, attempt)
    # unittest looks up a coroutine by name on the TestCase, and never asks the item for it.
    return None if isinstance(item, TestCaseFunction) else _watch_coroutine(body, attempt)


def _watch_function(body: Callable[..., Any], attempt: Attempt) -> Callable[..., Any]:
    @functools.wraps(body)
    def watch(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        attempt.body_started, attempt.raised = True, None
        try:
            return _doubt_result(body(*args, **kwargs), attempt)
        except BaseException as error:
            attempt.raised = error
            raise

    return watch


def _watch_coroutine(body: Callable[..., Any], attempt: Attempt) -> Callable[..., Any]:
    @functools.wraps(body)
    async def watch(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        attempt.body_started, attempt.raised = True, None
        try:
            return _doubt_result(await body(*args, **kwargs), attempt)
        except BaseException as error:
            attempt.raised = error
            raise

    return watch


def _doubt_result(result: Any, attempt: Attempt) -> Any:
    """Doubt a function that returns a value: `return x == 1` asserts nothing."""
    if result is not None and not hasattr(result, "__await__"):
        attempt.doubts.append(
            f"it returned {one_line(safe_repr(result), 100)} in place of asserting"
        )
    return result

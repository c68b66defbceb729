"""Watches whether a check's body ran, and what it raised, whatever hooks make of it.

A `pytest_pyfunc_call` that returns True keeps the body from running, and a
wrapper around `pytest_runtest_call` can catch what it raised: pytest then
reports a pass.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from _pytest.unittest import TestCaseFunction

from pytest_flowhealth.plugin.health import CheckState, Notes


@contextlib.contextmanager
def watched(item: pytest.Item, state: CheckState) -> Iterator[None]:
    """Note in `state` that the body of `item` began, and what it raised.

    Items that are no Python functions, and generators, are left alone.
    """
    body = getattr(item, "obj", None)
    watcher = _watcher(item, body, state.notes) if isinstance(item, pytest.Function) else None
    if watcher is None:
        yield
        return
    state.notes.began = False
    item.obj = watcher  # type: ignore[attr-defined]  # pytest.Function has a setter
    try:
        yield
    finally:
        item.obj = body  # type: ignore[attr-defined]  # as above


def _watcher(item: pytest.Function, body: object, notes: Notes) -> Callable[..., Any] | None:
    if not callable(body) or inspect.isasyncgenfunction(body) or inspect.isgeneratorfunction(body):
        return None
    if not inspect.iscoroutinefunction(body):
        return _plain(body, notes)
    # unittest finds a coroutine of its own by name, and never asks the item for it.
    return None if isinstance(item, TestCaseFunction) else _waiting(body, notes)


def _plain(body: Callable[..., Any], notes: Notes) -> Callable[..., Any]:
    @functools.wraps(body)
    def watch(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        notes.began, notes.raised = True, None
        try:
            return body(*args, **kwargs)
        except BaseException as error:
            notes.raised = error
            raise

    return watch


def _waiting(body: Callable[..., Any], notes: Notes) -> Callable[..., Any]:
    @functools.wraps(body)
    async def watch(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        notes.began, notes.raised = True, None
        try:
            return await body(*args, **kwargs)
        except BaseException as error:
            notes.raised = error
            raise

    return watch

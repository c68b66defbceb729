"""Slow answers: questions that are asked in threads before the first check, once a run.

A check's fixture gives it a callable; calling it waits for the answer, or
raises what the question raised. So a run lasts about as long as its slowest
question, not as their sum.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

import pytest

if TYPE_CHECKING:
    from pytest_flowhealth.config.target import Target

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


_QUIET = 0.75
"""Seconds that a quiet question is left alone at the most."""


class Answer(Protocol[Result_co]):
    """What an answer's fixture gives: called, it returns the answer or raises its error."""

    def __call__(self) -> Result_co:
        """Wait for the answer."""


class Question:
    """A function of the target that is asked before the first check; `quiet` ones come first, alone."""

    def __init__(self, ask: Callable[[Target], Any], *, quiet: bool) -> None:
        self.ask = ask
        self.quiet = quiet


_QUESTIONS: dict[str, Question] = {}


@overload
def answer(ask: Callable[[Target], Result]) -> Callable[..., Answer[Result]]: ...


@overload
def answer(
    *, quiet: bool = False
) -> Callable[[Callable[[Target], Result]], Callable[..., Answer[Result]]]: ...


def answer(ask: Callable[[Target], Any] | None = None, *, quiet: bool = False) -> Any:
    """Make a fixture, named as the function, of a question about the target.

    Args:
        ask: Takes the `Target`, returns the answer; runs in a thread of its own
            and must end by itself (give it a timeout).
        quiet: Asked alone, before all others start, for three quarters of a second at the
            most: for what they would disturb.
    """
    if ask is None:
        return lambda function: answer_fixture(function, quiet=quiet)
    return answer_fixture(ask, quiet=quiet)


def answer_fixture(ask: Callable[[Target], Any], *, quiet: bool) -> Any:
    """Register the question and return its fixture."""
    name = ask.__name__
    question = Question(ask, quiet=quiet)
    _QUESTIONS[name] = question

    # The target's fixture begins the run where none has begun: outside a check.
    def give(pytestconfig: pytest.Config, target: Target) -> Callable[[], Any]:  # noqa: ARG001
        answers = pytestconfig.stash[ANSWERS]
        return lambda: answers.result(name, question)

    give.__doc__ = ask.__doc__
    return pytest.fixture(name=name)(give)


class Answers:
    """The answers of one run."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._futures: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()

    def start(self, names: Iterable[str]) -> None:
        """Ask the questions among the fixture `names`: the quiet ones first, one by one, then all others."""
        wanted = [(name, _QUESTIONS[name]) for name in dict.fromkeys(names) if name in _QUESTIONS]
        for name, question in wanted:
            if question.quiet:
                # One that takes long, for what it asks is down, must not hold up the others.
                wait([self._future(name, question)], _QUIET)
        for name, question in wanted:
            self._future(name, question)

    def result(self, name: str, question: Question) -> Any:
        """Return the answer, asking now what was not asked before."""
        return self._future(name, question).result()

    def forget(self, names: Iterable[str]) -> None:
        """Ask anew, the next time, what is among `names`: a check is tried again."""
        with self._lock:
            for name in names:
                self._futures.pop(name, None)

    def _future(self, name: str, question: Question) -> Future[Any]:
        with self._lock:
            future = self._futures.get(name)
            if future is None:
                future = self._futures[name] = Future()
                # A daemon, so that a question which does not end can't keep the process alive.
                threading.Thread(
                    target=self._ask,
                    args=(question, future),
                    name=f"flowhealth {name}",
                    daemon=True,
                ).start()
        return future

    def _ask(self, question: Question, future: Future[Any]) -> None:
        try:
            future.set_result(question.ask(self._target))
        except BaseException as error:  # noqa: BLE001  # raised again where it is waited for
            future.set_exception(error)


ANSWERS: pytest.StashKey[Answers] = pytest.StashKey()
"""Where the answers of the run are kept on pytest's config."""

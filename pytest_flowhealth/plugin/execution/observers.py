"""Observe errors that no assertion sees: pytest's warnings, and errors of asyncio tasks and callbacks."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable

import pytest

from pytest_flowhealth.domain.text import one_line

_NOT_AWAITED = "was never awaited"
_FILTERS = (
    "always::pytest.PytestReturnNotNoneWarning",
    "always::pytest.PytestUnhandledThreadExceptionWarning",
    "always::pytest.PytestAssertRewriteWarning",
    f"always:.*{_NOT_AWAITED}:RuntimeWarning",
)
_LONGEST = 200


def enable_warnings(config: pytest.Config) -> None:
    """Let these warnings through, whatever filters the project sets."""
    for line in _FILTERS:
        config.addinivalue_line("filterwarnings", line)


def explain_warning(warning: warnings.WarningMessage) -> str | None:
    """Return why a check with this warning can't be relied on; None for any other warning."""
    text = str(warning.message)
    if issubclass(warning.category, pytest.PytestUnhandledThreadExceptionWarning):
        lines = text.strip().splitlines()
        raised = [
            line for line in lines[1:] if line[:1].strip() and not line.startswith("Traceback")
        ]
        error = next((line for line in raised if not line.startswith("Enable tracemalloc")), "")
        return one_line(f"{lines[0]}: {error}" if error else lines[0], _LONGEST)
    if issubclass(warning.category, pytest.PytestReturnNotNoneWarning) or _NOT_AWAITED in text:
        return one_line(text, _LONGEST)
    return None


def is_tuple_assertion(warning: warnings.WarningMessage) -> bool:
    """Tell whether pytest warns that an assertion is always true."""
    return "assertion is always true" in str(warning.message)


class TaskErrorHandler(logging.Handler):
    """Report errors of asyncio tasks and callbacks, which asyncio only logs.

    Args:
        report: Called with one line for each error.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__(logging.ERROR)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        """Report a record that carries an exception."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            first = record.getMessage().partition("\n")[0]
            self._report(one_line(f"asyncio: {first}: {type(error).__name__}: {error}", _LONGEST))

    def install(self) -> None:
        """Start observing."""
        logging.getLogger("asyncio").addHandler(self)

    def remove(self) -> None:
        """Stop observing."""
        logging.getLogger("asyncio").removeHandler(self)

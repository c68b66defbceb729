"""Warnings of pytest that make a check doubtful: its body did not run, did not assert, or a thread failed."""

from __future__ import annotations

import warnings

import pytest

from pytest_flowhealth.domain.text import one_line

_NOT_AWAITED = "was never awaited"
_FILTERS = (
    "always::pytest.PytestReturnNotNoneWarning",
    "always::pytest.PytestUnhandledThreadExceptionWarning",
    f"always:.*{_NOT_AWAITED}:RuntimeWarning",
)
_LONGEST = 200


def listen(config: pytest.Config) -> None:
    """Let these warnings through, whatever filters the target has set."""
    for line in _FILTERS:
        config.addinivalue_line("filterwarnings", line)


def doubt_of(warning: warnings.WarningMessage) -> str | None:
    """Return the sentence that a warning says against its check; None where it says nothing."""
    text = str(warning.message)
    if issubclass(warning.category, pytest.PytestUnhandledThreadExceptionWarning):
        lines = text.strip().splitlines()
        raised = [
            line for line in lines[1:] if line[:1].strip() and not line.startswith("Traceback")
        ]
        said = next((line for line in raised if not line.startswith("Enable tracemalloc")), "")
        return one_line(f"{lines[0]}: {said}" if said else lines[0], _LONGEST)
    returned = issubclass(warning.category, pytest.PytestReturnNotNoneWarning)
    return one_line(text, _LONGEST) if returned or _NOT_AWAITED in text else None

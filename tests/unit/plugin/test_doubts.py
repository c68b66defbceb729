"""Which warnings of pytest say that a check's body did not run, did not assert or left errors."""

import warnings

import pytest

from pytest_flowhealth.plugin.execution.observers import explain_warning

IN_A_THREAD = """Exception in thread Thread-1 (work)

Traceback (most recent call last):
  File "t.py", line 5, in work
    raise ValueError("gone")
ValueError: gone

Enable tracemalloc to get traceback where the object was allocated.
"""


@pytest.mark.parametrize(
    ("text", "category", "doubt"),
    [
        (
            IN_A_THREAD,
            pytest.PytestUnhandledThreadExceptionWarning,
            "Exception in thread Thread-1 (work): ValueError: gone",
        ),
        (
            "Exception in thread T",
            pytest.PytestUnhandledThreadExceptionWarning,
            "Exception in thread T",
        ),
        ("it returned False", pytest.PytestReturnNotNoneWarning, "it returned False"),
        ("coroutine 'x' was never awaited", RuntimeWarning, "coroutine 'x' was never awaited"),
        ("this is old", DeprecationWarning, None),
    ],
)
def test_a_warning_against_a_check_becomes_its_doubt(
    text: str, category: type[Warning], doubt: str | None
) -> None:
    warning = warnings.WarningMessage(category(text), category, "t.py", 1)

    assert explain_warning(warning) == doubt

"""The exceptions of this package, one family.

::

    FlowHealthError
    |-- UsageError              an invalid option, marker or configuration: exit code 4
    |-- NotApplicable           the target does not have what is asked for: skip
    |-- MeasurementUnavailable  it could not be measured: unknown
    `-- CheckFailed             it was checked, and is not as required: fail

Every message says what is wrong and where; `remedy` is the command, or the
sentence, that would mend it; `diagnosis` is where its cause can be looked for.
The last three may be raised in a check's body
and in the fixtures it calls; the plugin turns them into the outcome named here.
"""

from __future__ import annotations

from collections.abc import Iterable


class FlowHealthError(Exception):
    """Base of every error that this package raises on purpose.

    Args:
        message: What is wrong, and where.
        remedy: What would do: a command to type, or one sentence.
        diagnosis: Where to look for the cause: a command that changes nothing, or a place.
    """

    def __init__(
        self, message: str, *, remedy: str | None = None, diagnosis: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.diagnosis = diagnosis


class UsageError(FlowHealthError):
    """An invalid option, marker or configuration; exit code 4.

    Args:
        message: What is wrong, or a heading when there are several `problems`.
        problems: One line for each thing that is wrong, all found in one go.
    """

    def __init__(self, message: str, *, problems: Iterable[str] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join((message, *(f"  {line}" for line in self.problems))))


class NotApplicable(FlowHealthError):
    """The target does not have what a check measures: the check is skipped."""


class MeasurementUnavailable(FlowHealthError):
    """What a check wanted to measure is unavailable: unknown, never a pass."""


class CheckFailed(FlowHealthError):
    """What was checked is not as required: the check fails."""

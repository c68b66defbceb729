"""What can go wrong with GitHub; no message holds the token.

::

    GitHubError
    |-- Limited      asked too often: not done, and not to be tried before `until`
    |-- Refused      it won't: not done, and the same again won't help
    |-- Unreachable  it did not hear of it: not done
    `-- Lost         it may have been done: nobody knows

All are `MeasurementUnavailable`: a check that meets one is unknown.
"""

from __future__ import annotations

from pytest_flowhealth.errors import MeasurementUnavailable


class GitHubError(MeasurementUnavailable):
    """Base of these errors."""


class Limited(GitHubError):
    """GitHub asks for patience.

    Args:
        message: What happened.
        until: When it may be asked again, in seconds since 1970.
    """

    def __init__(self, message: str, until: float) -> None:
        super().__init__(message, remedy="wait; with a token more is allowed than without")
        self.until = until


class Refused(GitHubError):
    """GitHub does not want it.

    Args:
        message: What happened.
        status: The answer's status.
        said: What GitHub said, as documented: its message and the codes of its errors.
        remedy: What would do.
    """

    def __init__(self, message: str, status: int, said: str, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.said = said


class Unreachable(GitHubError):
    """GitHub did not hear of it."""


class Lost(GitHubError):
    """The answer got lost, or was none: it may have been done."""

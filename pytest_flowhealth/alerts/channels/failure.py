"""Why a receiver was not told; no reason holds a secret."""

from __future__ import annotations


class Undelivered(Exception):  # a state, and told as one
    """A message has not arrived."""


class Unavailable(Undelivered):
    """It may go better later: refused, too slow, an error of the server's.

    Args:
        reason: What happened.
        retry_after: Seconds that the receiver asks for.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Refused(Undelivered):
    """It won't: the receiver does not want it, or can't be told for want of something here."""

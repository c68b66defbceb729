"""Why a receiver did not accept a message; no message of these errors holds a secret.

::

    DeliveryError
    |-- RetryableError   the message is sent again later
    `-- PermanentError   the receiver does not accept this message
        `-- TooLargeError    it may accept it in parts
"""

from __future__ import annotations


class DeliveryError(Exception):
    """A message was not delivered."""


class RetryableError(DeliveryError):
    """It may be accepted later: the receiver is down, too slow, or has an error of its own.

    Args:
        reason: What happened, without secrets.
        retry_after: Seconds that the receiver asks to wait; None for the usual backoff.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class PermanentError(DeliveryError):
    """It will not be accepted: the receiver rejects it, or something that it needs is missing here."""


class TooLargeError(PermanentError):
    """It is too large for the receiver, which may accept it in parts."""

"""A receiver that appends each message to a file."""

from pathlib import Path

import msgspec

from pytest_flowhealth import Message, PermanentError, RetryableError


class FileReceiver(msgspec.Struct, frozen=True):
    """The options of `[[receivers]]` with `type = "file"`."""

    path: str
    prefix: str = ""

    def send(self, message: Message) -> None:
        """Append one line."""
        if message.kind == "reminder":
            raise PermanentError("reminders are not written to a file")
        names = " ".join(alert.name for alert in message.alerts)
        try:
            with Path(self.path).open("a") as file:
                file.write(f"{self.prefix}{message.kind} {names}\n")
        except OSError as error:
            raise RetryableError(f"the file can't be written: {error.strerror}") from error

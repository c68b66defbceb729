"""GitHub's resources, reduced to the fields that are read (docs.github.com, "REST API endpoints for issues")."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec


class User(msgspec.Struct, frozen=True):
    """An account; `type` is ``User``, ``Bot`` or ``Organization``."""

    login: str = ""
    type: str = "User"

    @property
    def is_bot(self) -> bool:
        """Whether the account is marked as a program."""
        return self.type == "Bot" or self.login.endswith("[bot]")


class Label(msgspec.Struct, frozen=True):
    """A label; GitHub compares names without regard to case."""

    name: str = ""


class Issue(msgspec.Struct, frozen=True):
    """An issue, or a pull request: GitHub lists both together."""

    number: int
    created_at: datetime
    state: str = "open"
    state_reason: str | None = None
    closed_at: datetime | None = None
    title: str = ""
    body: str | None = None
    labels: tuple[Label | str, ...] = ()
    user: User | None = None
    comments: int = 0
    locked: bool = False
    pull_request: Any = None

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of its labels."""
        return tuple(label if isinstance(label, str) else label.name for label in self.labels)


class Comment(msgspec.Struct, frozen=True):
    """A comment on an issue."""

    id: int
    created_at: datetime
    user: User | None = None


class Repository(msgspec.Struct, frozen=True):
    """A repository; `full_name` is its current name, as in ``owner/name``."""

    full_name: Annotated[str, msgspec.Meta(pattern=r"^[\w.-]{1,100}/[\w.-]{1,100}$")]


class ErrorDetail(msgspec.Struct, frozen=True):
    """One of the errors of a response with the status 422."""

    resource: str | None = None
    field: str | None = None
    code: str | None = None
    message: str | None = None

    @property
    def text(self) -> str:
        """All of it in one line."""
        parts = (self.resource, self.field, self.code, self.message)
        return " ".join(part for part in parts if part)


class ErrorResponse(msgspec.Struct, frozen=True):
    """The body of an error response."""

    message: str = ""
    errors: tuple[ErrorDetail | str, ...] = ()

    @property
    def text(self) -> str:
        """All of it in one line."""
        details = [error if isinstance(error, str) else error.text for error in self.errors]
        return "; ".join(part for part in (self.message, *details) if part)

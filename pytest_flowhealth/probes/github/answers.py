"""What GitHub answers, as far as it is read (docs.github.com, "REST API endpoints for issues")."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class User(msgspec.Struct, frozen=True):
    """Who wrote; `type` is ``User``, ``Bot`` or ``Organization``."""

    login: str = ""
    type: str = "User"

    @property
    def is_bot(self) -> bool:
        """Whether it is a program that says so."""
        return self.type == "Bot" or self.login.endswith("[bot]")


class Label(msgspec.Struct, frozen=True):
    """A label; GitHub compares names without regard to case."""

    name: str = ""
    description: str | None = None


class Issue(msgspec.Struct, frozen=True):
    """An issue, or a pull request: those are in the same lists."""

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
        """Its labels' names."""
        return tuple(one if isinstance(one, str) else one.name for one in self.labels)


class Comment(msgspec.Struct, frozen=True):
    """A comment on an issue."""

    id: int
    created_at: datetime
    user: User | None = None


class Repository(msgspec.Struct, frozen=True):
    """A repository, as far as it is read: that it is there."""

    id: int


class Fault(msgspec.Struct, frozen=True):
    """One of the errors of a 422."""

    resource: str | None = None
    field: str | None = None
    code: str | None = None
    message: str | None = None


class Complaint(msgspec.Struct, frozen=True):
    """The body of an answer that is an error."""

    message: str = ""
    errors: tuple[Fault | str, ...] = ()

    @property
    def text(self) -> str:
        """All that it says, in one line."""
        parts = [self.message]
        for one in self.errors:
            told = (
                (one,) if isinstance(one, str) else (one.resource, one.field, one.code, one.message)
            )
            parts.append(" ".join(part for part in told if part))
        return "; ".join(part for part in parts if part)

"""The outbox: messages until their receiver has accepted them, delivered at least once, with an id.

Messages to one receiver about the same alert keep their order; no message waits for one about other
alerts. What a receiver refuses is given up at once. Times are seconds of a clock that never goes back.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import msgspec

from pytest_flowhealth.alerts.message import Message

MOST = 10_000
"""Messages that wait at the most."""

LONGEST = 300.0
"""Seconds between two attempts at the most, unless the receiver asks for more."""

LONGEST_ASKED = 3_600.0
"""The same where the receiver asks for it (Retry-After)."""


class Pending(msgspec.Struct, frozen=True):
    """A message that waits.

    Attributes:
        attempts: How often it was tried.
        due: When it is tried next.
        number: Its place in the order of all.
    """

    message: Message
    attempts: int = 0
    due: float = 0.0
    number: int = 0

    @property
    def subjects(self) -> frozenset[str]:
        """What it is about: messages that share none of these don't wait for each other."""
        names = (pending.name for pending in self.message.alerts)
        return frozenset(names) or frozenset((self.message.id,))


class Outbox:
    """The messages that wait, and which of them changed since they were saved.

    Args:
        pending: Those from before.
        chance: Spreads the attempts.
    """

    def __init__(
        self, pending: Iterable[Pending] = (), chance: random.Random | None = None
    ) -> None:
        self._chance = chance or random.Random()  # noqa: S311  # only spreads attempts
        self._waiting = {
            each.message.id: each for each in sorted(pending, key=lambda each: each.number)
        }
        self._number = max((each.number for each in self._waiting.values()), default=0)
        self._changed: dict[str, None] = {}
        self._gone: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, messages: Sequence[Message], now: float) -> list[str]:
        """Let messages wait; return what had to be dropped for want of room, in words."""
        dropped = []
        for message in messages:
            self._number += 1
            self._keep(Pending(message, due=now, number=self._number))
            if len(self._waiting) > MOST:
                dropped.append(self._drop())
        return dropped

    def due(self, receiver: str, now: float) -> list[list[Pending]]:
        """Return the messages for a receiver that are due: in lists that don't depend on each other."""
        groups: list[tuple[set[str], list[Pending]]] = []
        held: set[str] = set()
        for pending in self._waiting.values():
            if pending.message.receiver != receiver:
                continue
            if pending.due > now or pending.subjects & held:
                held |= pending.subjects
                continue
            joined = [group for group in groups if group[0] & pending.subjects]
            groups = [group for group in groups if group not in joined]
            subjects = {*pending.subjects}.union(*(names for names, _ in joined))
            waiting = [each for _, ours in joined for each in ours]
            groups.append((subjects, [*sorted(waiting, key=lambda each: each.number), pending]))
        return [group for _, group in groups]

    def find(self, name: str) -> Pending | None:
        """Return the message with an id; None if it no longer waits."""
        return self._waiting.get(name)

    def reschedule(self, name: str, now: float, retry_after: float | None = None) -> None:
        """Note that a message has not arrived: it is tried again, later and later.

        Args:
            name: Its id.
            now: The time.
            retry_after: Seconds that the receiver asks for.
        """
        pending = self._waiting.get(name)
        if pending is None:
            return
        pause = min(LONGEST, 2.0 ** min(pending.attempts, 10)) * self._chance.uniform(0.5, 1.0)
        if retry_after is not None:
            pause = max(pause, min(retry_after, LONGEST_ASKED))
        self._keep(msgspec.structs.replace(pending, attempts=pending.attempts + 1, due=now + pause))

    def remove(self, name: str) -> None:
        """Let a message wait no more: it was delivered, or its receiver refuses it."""
        if self._waiting.pop(name, None) is not None:
            self._changed.pop(name, None)
            self._gone[name] = None

    def drop_unknown_receivers(self, receivers: Iterable[str]) -> list[Message]:
        """Give up the messages for all but these receivers; return them."""
        known = set(receivers)
        found = [
            pending for pending in self._waiting.values() if pending.message.receiver not in known
        ]
        for pending in found:
            self.remove(pending.message.id)
        return [pending.message for pending in found]

    def list_changes(self) -> tuple[list[Pending], list[str]]:
        """Return the messages that are to be saved, and the ids of those that are to be forgotten."""
        return [self._waiting[name] for name in self._changed], [*self._gone]

    def list_all(self) -> tuple[list[Pending], list[str]]:
        """Return the same for a place where nothing was saved yet."""
        return [*self._waiting.values()], []

    def mark_saved(self, pending: Iterable[Pending], gone: Iterable[str]) -> None:
        """Note which changes were saved; a message that has changed again meanwhile is still to be saved."""
        for saved in pending:
            if self._waiting.get(saved.message.id) is saved:
                self._changed.pop(saved.message.id, None)
        for name in gone:
            self._gone.pop(name, None)

    def _keep(self, pending: Pending) -> None:
        self._waiting[pending.message.id] = pending
        self._changed[pending.message.id] = None

    def _drop(self) -> str:
        """Drop the oldest reminder, else the oldest message of all; return which, in words."""
        reminders = (
            name for name, pending in self._waiting.items() if pending.message.kind == "reminder"
        )
        name = next(reminders, None) or next(iter(self._waiting))
        message = self._waiting[name].message
        self.remove(name)
        return (
            f"more than {MOST} messages wait: the one of {message.at:%Y-%m-%d %H:%M:%S} "
            f"for {message.receiver} ({message.kind}) was dropped"
        )

"""The state of the pages by key, and its numbered changes, so that a page that reconnects catches up."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

REMEMBERED = 300
"""Changes that are remembered; a page that missed more gets the whole state."""


class DeltaLog:
    """The state that all pages show, and its last changes; values are JSON."""

    def __init__(self) -> None:
        self.epoch = secrets.token_hex(8)
        self.seq = 0
        self.at = 0.0
        self._taken = float("-inf")
        self._state: dict[str, msgspec.Raw] = {}
        self._history: deque[tuple[int, frozenset[str]]] = deque(maxlen=REMEMBERED)

    def take(self, state: Mapping[str, msgspec.Raw], at: float) -> str:
        """Store the state of this second; return the message with the changes."""
        fresh = {key: content for key, content in state.items() if self._state.get(key) != content}
        gone = [key for key in self._state if key not in state]
        self._state = dict(state)
        self.seq += 1
        self.at = at
        self._taken = time.monotonic()
        self._history.append((self.seq, frozenset((*fresh, *gone))))
        return _text({"type": "changes", "seq": self.seq, "at": at, "set": fresh, "gone": gone})

    def since(self, epoch: str | None, seq: int | None) -> str:
        """Return what a page needs that saw the message `seq`: the changes since, or all.

        `age` is how old it is, in seconds: what a stuck monitor reported last is not live.
        """
        age = round(time.monotonic() - self._taken, 3) if self.seq else None
        oldest = self._history[0][0] if self._history else self.seq + 1
        if epoch != self.epoch or seq is None or not oldest - 1 <= seq <= self.seq:
            return _text({"type": "snapshot", "age": age, **self.whole()})
        keys = {key for number, changed in self._history if number > seq for key in changed}
        return _text(
            {
                "type": "changes",
                "from": seq,
                "age": age,
                "seq": self.seq,
                "at": self.at,
                "set": {key: self._state[key] for key in keys if key in self._state},
                "gone": [key for key in keys if key not in self._state],
            }
        )

    def whole(self) -> dict[str, Any]:
        """Return all of it, ready to be made JSON."""
        return {"epoch": self.epoch, "seq": self.seq, "at": self.at, "state": self._state}


def _text(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()

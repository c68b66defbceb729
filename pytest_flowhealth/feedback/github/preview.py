"""What would be sent, without asking GitHub anything: by our own notes alone."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from pytest_flowhealth.feedback.github import claims
from pytest_flowhealth.feedback.github.notes import Note, Notes
from pytest_flowhealth.feedback.github.tend import (
    DAY,
    Policy,
    creation,
    is_due,
    is_given_up,
    over,
    remark,
)
from pytest_flowhealth.feedback.reports.report import Kind


class Sending(msgspec.Struct, frozen=True):
    """One request: below the repository's address, with its body."""

    path: str
    body: dict[str, Any]


def preview(
    notes: Notes | None, kinds: Sequence[Kind], policy: Policy, now: float
) -> list[Sending]:
    """Return what `tend` would send, were no issue there but those that are noted.

    Args:
        notes: What was done before; None where there is nothing.
        kinds: What was reported.
        policy: When something is told.
        now: Seconds since 1970.
    """
    found: list[Sending] = []
    left = policy.per_day - (notes.opened_since(now - DAY) if notes else 0)
    for kind in over(kinds, policy):
        note = (notes.load(kind.fingerprint) if notes else None) or Note("creating")
        if note.state == "open" and is_due(kind, note, policy, now):
            found.append(Sending(f"issues/{note.number}/comments", remark(kind, note)))
        elif note.state == "creating" and not is_given_up(note, now) and left > 0:
            left -= 1
            claim = note.claim or uuid.uuid4().hex
            found.append(Sending("labels", claims.label(kind.fingerprint, claim, now)))
            found.append(Sending("issues", creation(kind, policy)))
    return found

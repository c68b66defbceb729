"""One issue for each kind of error, whatever happens on the way.

Before an issue is made: our own note is looked at, then GitHub's list; the intention is noted; the
right to make it is claimed (`claims`), and the list is asked once more. What may have been done is
never done again before it had the time to show.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.feedback.github import claims, compose
from pytest_flowhealth.feedback.github.finding import Found
from pytest_flowhealth.feedback.github.notes import Note, Notes
from pytest_flowhealth.feedback.reports.report import Kind
from pytest_flowhealth.probes.github.answers import Comment, Issue, Repository
from pytest_flowhealth.probes.github.client import GitHubClient
from pytest_flowhealth.probes.github.failure import (
    GitHubError,
    Limited,
    Lost,
    Refused,
    Unreachable,
)

SETTLE = 120.0
"""Seconds until what may have been made is in GitHub's lists for certain."""

REFUSALS = 3
"""How often an issue is tried that GitHub does not take; a day lies between two tries."""

DAY = 86_400.0

_PAUSE = 1.0
"""Seconds between two things that are made (GitHub's best practices)."""

_SHOWS = "whether it is there shows in two minutes"
_UNWANTED = ("not_planned", "duplicate")

What = Literal["opened", "found", "commented", "unchanged", "waiting", "left alone", "failed"]


class Policy(msgspec.Struct, frozen=True):
    """When something is told: see `[github]`; `comment_every` in seconds."""

    limit: int = 5
    networks: int = 2
    labels: tuple[str, ...] = ("bug", "installation")
    per_day: int = 5
    comment_every: float = DAY

    @classmethod
    def from_target(cls, target: Target) -> Policy:
        """Return what a target's `[github]` says."""
        ours = target.config.github
        return cls(
            limit=ours.limit,
            networks=ours.networks,
            labels=ours.labels,
            per_day=ours.per_day,
            comment_every=ours.comment_every,
        )


class Did(msgspec.Struct, frozen=True):
    """What was done about one kind; `text` says why, where that is to be known."""

    kind: Kind
    what: What
    number: int | None = None
    url: str = ""
    text: str = ""


class Done(msgspec.Struct, frozen=True):
    """What was done about all.

    Attributes:
        did: One for each kind over the limit that was come to.
        problem: What kept it from going on.
        remedy: What would do.
        until: When it makes sense to try again, in seconds since 1970; None: as usual.
    """

    did: tuple[Did, ...] = ()
    problem: str | None = None
    remedy: str | None = None
    until: float | None = None


def over(kinds: Sequence[Kind], policy: Policy) -> list[Kind]:
    """Return the kinds that have an issue or are to get one, the most frequent first."""
    found = [one for one in kinds if _is_enough(one, policy) and compose.usable(one)]
    return sorted(found, key=lambda one: (-one.count, one.fingerprint))


def _is_enough(kind: Kind, policy: Policy) -> bool:
    """Tell whether many reported it: so many times, and not all from one place."""
    return kind.count >= policy.limit and kind.sources >= policy.networks


def asked_for(policy: Policy) -> str:
    """Return what it takes until an issue is opened, in words."""
    reports = "1 report" if policy.limit == 1 else f"{policy.limit:,} reports"
    networks = "1 network" if policy.networks == 1 else f"{policy.networks:,} networks"
    return f"an issue takes {reports} of one kind, from {networks}"


def creation(kind: Kind, policy: Policy) -> dict[str, Any]:
    """Return what is sent to make an issue."""
    ours = (compose.LABEL, compose.own_label(kind.fingerprint))
    labels = dict.fromkeys((*policy.labels, *ours))
    return {"title": compose.title(kind), "body": compose.body(kind), "labels": [*labels]}


def remark(kind: Kind, note: Note) -> dict[str, Any]:
    """Return what is sent as a comment."""
    return {"body": compose.comment(kind, note.told, note.versions)}


def is_due(kind: Kind, note: Note, policy: Policy, now: float) -> bool:
    """Tell whether an issue is to be told something new."""
    news = kind.count >= 2 * max(1, note.told) or bool(_new(kind, note))
    return news and not 0 <= now - note.commented < policy.comment_every


def is_given_up(note: Note, now: float) -> bool:
    """Tell whether an issue is not tried: GitHub did not take it lately, or too often."""
    lately = note.refused is not None and 0 <= now - note.refused < DAY
    return lately or note.refusals >= REFUSALS


def tend(notes: Notes, kinds: Sequence[Kind], client: GitHubClient, policy: Policy) -> Done:
    """Open and bring up to date; what goes wrong is in what is returned.

    Args:
        notes: What was done before.
        kinds: What was reported.
        client: Asks GitHub; its clock is ours.
        policy: When something is told.

    Raises:
        sqlite3.Error: The notes can't be kept; nothing is made then that is not noted.
    """
    did: list[Did] = []
    tender = _Tender(notes, client, policy)
    for kind in over(kinds, policy):
        try:
            did.append(tender.see_to(kind))
        except Limited as error:
            return Done(tuple(did), error.message, error.remedy, error.until)
        except Refused as error:
            return Done(tuple(did), error.message, error.remedy, client.at.date() + DAY)
        except GitHubError as error:
            return Done(tuple(did), error.message, error.remedy)
    return Done(tuple(did))


class _Tender:
    """Sees to one kind after the other."""

    def __init__(self, notes: Notes, client: GitHubClient, policy: Policy) -> None:
        self._notes, self._client, self._policy = notes, client, policy
        self._found = Found(client)
        self._made = 0

    def see_to(self, kind: Kind) -> Did:
        note = self._notes.load(kind.fingerprint)
        if note is None or note.state == "creating":
            return self._create(kind, note or Note("creating"))
        if note.state == "gone":
            return Did(kind, "left alone", note.number, text="somebody deleted or moved its issue")
        return self._update(kind, note)

    # -- making

    def _create(self, kind: Kind, note: Note) -> Did:
        there = self._found.get(kind.fingerprint)
        if there is not None:
            return self._adopt(kind, there)
        waiting = self._held_back(kind, note)
        if waiting is not None:
            return waiting
        note = msgspec.structs.replace(note, claim=note.claim or uuid.uuid4().hex)
        self._notes.save(kind.fingerprint, note)
        if not claims.held(self._client, kind.fingerprint, note.claim):
            return Did(kind, "waiting", text="another monitor is about to open it")
        there = self._found.now(kind.fingerprint)
        return self._post(kind, note) if there is None else self._adopt(kind, there)

    def _held_back(self, kind: Kind, note: Note) -> Did | None:
        """Return why it can't be made yet."""
        now = self._client.at.date()
        if note.posted is not None and now < note.posted:  # the clock was set back
            note = msgspec.structs.replace(note, posted=now)
            self._notes.save(kind.fingerprint, note)
        if note.posted is not None and now - note.posted < SETTLE:
            return Did(kind, "waiting", text=f"it may have been opened; {_SHOWS}")
        if is_given_up(note, now):
            again = "tried again in a day" if note.refusals < REFUSALS else "not tried again"
            return Did(kind, "left alone", text=f"GitHub did not take it; {again}")
        most = self._policy.per_day
        if note.posted is None and self._notes.opened_since(now - DAY) >= most:
            return Did(kind, "waiting", text=f"{most:,} were opened within a day")
        return None

    def _post(self, kind: Kind, note: Note) -> Did:
        self._pause()
        now = self._client.at.date()
        self._notes.save(kind.fingerprint, msgspec.structs.replace(note, posted=now))
        try:
            made = self._client.post("issues", creation(kind, self._policy), Issue)
        except Lost as error:
            return self._look_again(kind, error)
        except Refused as error:
            if error.status != 422:
                self._notes.save(kind.fingerprint, msgspec.structs.replace(note, posted=None))
                raise
            refused = msgspec.structs.replace(
                note, posted=None, refused=now, refusals=note.refusals + 1
            )
            self._notes.save(kind.fingerprint, refused)
            return Did(kind, "failed", text=error.message)
        except (Limited, Unreachable):
            self._notes.save(kind.fingerprint, msgspec.structs.replace(note, posted=None))
            raise
        self._keep(kind, made, opened=now)
        text = (
            "" if self._is_labelled(made) else "the token may not label it: it can't be found again"
        )
        return Did(kind, "opened", made.number, self._client.page(made.number), text)

    def _look_again(self, kind: Kind, error: Lost) -> Did:
        """Look whether an issue was made, whose answer got lost."""
        try:
            there = self._found.now(kind.fingerprint)
        except GitHubError:
            there = None
        if there is None:
            return Did(kind, "waiting", text=f"{error.message}; {_SHOWS}")
        self._keep(kind, there, opened=self._client.at.date())
        return Did(kind, "opened", there.number, self._client.page(there.number))

    def _adopt(self, kind: Kind, there: Issue) -> Did:
        self._keep(kind, there, opened=None)
        return Did(kind, "found", there.number, self._client.page(there.number))

    def _keep(self, kind: Kind, issue: Issue, opened: float | None) -> None:
        note = Note(
            "open",
            number=issue.number,
            url=self._client.page(issue.number),
            opened=opened,
            told=kind.count,
            commented=self._client.at.date(),
            versions=_versions(kind),
        )
        self._notes.save(kind.fingerprint, note)

    def _is_labelled(self, issue: Issue) -> bool:
        """Tell whether it has our labels: without the right to push they are left out in silence."""
        names = {name.lower() for name in issue.label_names}
        return compose.LABEL in names

    # -- telling more

    def _update(self, kind: Kind, note: Note) -> Did:
        now = self._client.at.date()
        if not is_due(kind, note, self._policy, now):
            return Did(kind, "unchanged", note.number, note.url)
        issue = self._look_at(note)
        if issue is None:
            self._notes.save(kind.fingerprint, msgspec.structs.replace(note, state="gone"))
            return Did(kind, "left alone", note.number, text="somebody deleted or moved its issue")
        why = _hush(kind, note, issue)
        if why is not None:
            return Did(kind, "left alone", note.number, note.url, why)
        return self._comment(kind, note, now)

    def _look_at(self, note: Note) -> Issue | None:
        """Return the issue, None where it is no longer there."""
        try:
            found = self._client.get(f"issues/{note.number}", Issue)
        except Refused as error:
            if error.status not in (404, 410) or "disabled" in error.said.lower():
                raise
            self._client.get("", Repository)  # raises where it is the repository that is gone
            return None
        return found if found.number == note.number else None

    def _comment(self, kind: Kind, note: Note, now: float) -> Did:
        self._pause()
        known = tuple(dict.fromkeys((*note.versions, *_versions(kind))))
        # Noted before: what may have been told is not told again.
        told = msgspec.structs.replace(note, told=kind.count, commented=now, versions=known)
        self._notes.save(kind.fingerprint, told)
        path = f"issues/{note.number}/comments"
        try:
            self._client.post(path, remark(kind, note), Comment)
        except Lost as error:
            return Did(
                kind, "failed", note.number, note.url, f"{error.message}; it may have arrived"
            )
        except Refused as error:
            if error.status != 422:
                self._notes.save(kind.fingerprint, note)
                raise
            return Did(kind, "failed", note.number, note.url, error.message)
        except (Limited, Unreachable):
            self._notes.save(kind.fingerprint, note)
            raise
        return Did(kind, "commented", note.number, note.url)

    def _pause(self) -> None:
        if self._made:
            self._client.at.sleep(_PAUSE)
        self._made += 1


def _versions(kind: Kind) -> tuple[str, ...]:
    return tuple(name for name, _ in kind.versions)


def _new(kind: Kind, note: Note) -> list[str]:
    return [name for name in _versions(kind) if name not in note.versions]


def _hush(kind: Kind, note: Note, issue: Issue) -> str | None:
    """Return why an issue is told nothing."""
    if issue.locked:
        return "its conversation is locked"
    if issue.state != "closed":
        return None
    if issue.state_reason in _UNWANTED:
        return f"it was closed as {issue.state_reason.replace('_', ' ')}"
    if _new(kind, note) and _is_after(kind.last, issue.closed_at):
        return None
    return "it is closed, and no other version is concerned since"


def _is_after(seconds: float, moment: datetime | None) -> bool:
    return moment is None or seconds > moment.timestamp()

"""Who may make a kind's issue, where several would: decided by GitHub, with labels.

GitHub makes an issue as often as it is asked to. A label's name, though, can be made once only: of
two who make it, the second is told 422 `already_exists`. So who made the label of a kind may make its
issue, for half an hour; its description says who that is, and when it was. Nobody takes it from him
within an hour. Afterwards whoever makes the next label, with a number behind the name, is the one.
Labels are not removed: they would be free again.
"""

from __future__ import annotations

import re

from pytest_flowhealth.feedback.github.compose import own_label
from pytest_flowhealth.probes.github.answers import Label
from pytest_flowhealth.probes.github.client import GitHubClient
from pytest_flowhealth.probes.github.failure import GitHubError, Lost, Refused

GOOD = 1_800.0
"""Seconds for which a claim is good, by GitHub's clock."""

STALE = 3_600.0
"""Seconds after which another may claim it."""

COLOUR = "ededed"
_MOST = 100
_WORDS = re.compile(r"flowhealth claim (\w+) at (\d{1,12})\Z")


def name_of(fingerprint: str, generation: int) -> str:
    """Return the name of a kind's label; the first is on the issue, too."""
    first = own_label(fingerprint)
    return first if generation == 1 else f"{first}.{generation}"


def label(fingerprint: str, claim: str, now: float, generation: int = 1) -> dict[str, str]:
    """Return what is sent to make a label."""
    return {
        "name": name_of(fingerprint, generation),
        "color": COLOUR,
        "description": f"flowhealth claim {claim} at {int(now)}",
    }


def held(client: GitHubClient, fingerprint: str, claim: str) -> bool:
    """Claim a kind's issue; tell whether we may make it now. Else another is at it.

    Raises:
        GitHubError: It can't be known.
    """
    for generation in range(1, _MOST + 1):
        mine = label(fingerprint, claim, client.now, generation)
        try:
            client.post("labels", mine, Label)
        except Lost:
            pass  # whether it was made is to be seen
        except Refused as error:
            if error.status != 422 or "already_exists" not in error.said:
                raise
        else:
            return True
        holder, at = _holder(client, mine["name"])
        age = client.now - at
        if age < STALE:
            return holder == claim and age < GOOD
    raise GitHubError(f"{client.repository} has too many labels {own_label(fingerprint)}")


def _holder(client: GitHubClient, name: str) -> tuple[str, float]:
    """Return who made a label, and when."""
    try:
        found = client.get(f"labels/{name}", Label)
    except Refused as error:
        if error.status != 404:
            raise
        return "", client.now  # made just now: not to be seen everywhere yet
    match = _WORDS.match(found.description or "")
    if match is None:
        raise GitHubError(
            f"the label {name} of {client.repository} has a description that is not ours",
            remedy=f"delete the label {name}: gh label delete {name}",
        )
    return match[1], float(match[2])

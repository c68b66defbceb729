"""Which issues of ours a repository has.

They are listed by their label, not searched for: the search's index follows by minutes, a list by
seconds. Only those who may triage can give an issue a label; a stranger's issue with our marker in
it is therefore none of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pytest_flowhealth.feedback.github.compose import LABEL, own_label
from pytest_flowhealth.probes.github.answers import Issue
from pytest_flowhealth.probes.github.client import GitHubClient

PAGES = 20
"""Pages of 100 issues that are looked at; where there are more, none is made."""

_MARKER = re.compile(r"\s*<!-- flowhealth:([0-9a-f]{16}) -->")
_LABEL = re.compile(rf"{LABEL}-([0-9a-f]{{16}})\Z", re.IGNORECASE)


class Found:
    """The repository's issues of ours; listed when they are first asked for.

    Args:
        client: Asks.
    """

    def __init__(self, client: GitHubClient) -> None:
        self._client = client
        self._known: dict[str, Issue] | None = None

    def get(self, fingerprint: str) -> Issue | None:
        """Return a kind's issue, as of this run.

        Raises:
            GitHubError: It can't be known.
        """
        if self._known is None:
            self._known = _by_fingerprint(_listed(self._client, LABEL))
        return self._known.get(fingerprint)

    def now(self, fingerprint: str) -> Issue | None:
        """Return a kind's issue as of now: asked anew, by its own label too.

        Raises:
            GitHubError: It can't be known.
        """
        self._known = None
        own = _by_fingerprint(_listed(self._client, own_label(fingerprint)))
        return own.get(fingerprint) or self.get(fingerprint)


def fingerprints(issue: Issue) -> set[str]:
    """Return what an issue says that it is about: by its labels, and by what its text begins with."""
    found = {match[1].lower() for name in issue.label_names if (match := _LABEL.match(name))}
    first = _MARKER.match(issue.body or "")
    return found | {first[1]} if first else found


def _listed(client: GitHubClient, label: str) -> list[Issue]:
    named = {"labels": label, "state": "all", "sort": "created", "direction": "asc"}
    return client.pages("issues", Issue, PAGES, **named)


def _by_fingerprint(issues: Iterable[Issue]) -> dict[str, Issue]:
    """Return the first issue of each; pull requests, which are in the same lists, are none."""
    found: dict[str, Issue] = {}
    for one in sorted(issues, key=lambda one: one.number):
        for fingerprint in fingerprints(one) if one.pull_request is None else ():
            found.setdefault(fingerprint, one)
    return found

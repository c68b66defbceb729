"""Without a token: the address of the issue form, filled in, for somebody to open and send."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from pytest_flowhealth.config.github import web_address
from pytest_flowhealth.domain.text import printable
from pytest_flowhealth.feedback.github import compose
from pytest_flowhealth.feedback.reports.report import Kind

LONGEST = 8_000
"""Characters of an address; GitHub refuses more than about 8 kB (414 URI Too Long)."""

TEMPLATE = "installation_issue.yml"
"""The form that `flowhealth init` writes."""


def form(kind: Kind, repository: str, api: str, labels: Sequence[str]) -> str:
    """Return the address of the filled-in form (docs.github.com, "Creating an issue from a URL query").

    Fields go by the ids that the form gives them; one that it does not know is left out by GitHub.
    """
    fields = {
        "template": TEMPLATE,
        "title": compose.title(kind),
        "labels": ",".join(labels),
    }
    more = {"error": _plain(kind.error, 4_000), "requirements": _plain(_where(kind), 1_000)}
    base = f"{web_address(api)}/{repository}/issues/new?"
    url = base + urlencode(fields)
    for name, text in more.items():
        url = _with(url, name, text)
    return url


def _with(url: str, name: str, text: str) -> str:
    """Return an address with a field more, shortened until it fits."""
    while text:
        longer = f"{url}&{urlencode({name: text})}"
        if len(longer) <= LONGEST:
            return longer
        text = text[: len(text) // 2]
    return url


def _where(kind: Kind) -> str:
    lines = [f"{kind.package} {name}" for name, _ in kind.versions[:3]]
    lines += [f"node {name}" for name, _ in kind.nodes[:3]]
    return "\n".join([*lines, *(name for name, _ in kind.platforms[:3])])


def _plain(text: str, limit: int) -> str:
    """Return a text that can't end the block of code which the form makes of it."""
    return printable(text[:limit], limit).replace("```", "'''")

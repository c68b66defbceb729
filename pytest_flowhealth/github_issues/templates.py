"""Text of issues, comments and the filled-in issue form.

Errors come from strangers. In Markdown all their text is code: a block whose fence is longer than any
fence in it, or a span with as many backticks as it needs. GitHub makes no links, mentions or references
of code. A title is plain text; there a zero-width space breaks mentions and references.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from pytest_flowhealth.config.github import web_address
from pytest_flowhealth.domain.text import escape_mentions, one_line, printable
from pytest_flowhealth.install_reports.report import (
    FailureGroup,
    Package,
    Platform,
    Release,
    Version,
    fits,
)

LABEL = "flowhealth"
"""The label of all issues that this program opened."""

MAX_BODY = 65_536
"""Characters of a body that GitHub accepts."""

MAX_URL = 8_000
"""Characters of an address; GitHub refuses more than about 8 kB (414 URI Too Long)."""

FORM = "installation_issue.yml"
"""The issue form that `flowhealth init` writes."""

_MAX_LISTED = 15
_MAX_TITLE = 120
_MAX_ERROR = 8_000
_FINGERPRINT = re.compile(r"[0-9a-f]{16}\Z")
_MARKER = re.compile(r"\s*<!-- flowhealth:([0-9a-f]{16}) -->")


def is_fingerprint(text: str) -> bool:
    """Tell whether a text is a fingerprint."""
    return _FINGERPRINT.match(text) is not None


def make_marker(fingerprint: str) -> str:
    """Return the begin of an issue's body, an HTML comment that its page does not show."""
    return f"<!-- flowhealth:{fingerprint} -->"


def read_marker(body: str | None) -> str | None:
    """Return the fingerprint at the begin of an issue's body; None for another body."""
    found = _MARKER.match(body or "")
    return found[1] if found else None


def make_title(group: FailureGroup) -> str:
    """Return an issue's title."""
    name = one_line(group.package, 60)
    error = one_line(group.error, 400) or "fails without a message"
    return escape_mentions(_truncate(f"{name}: {group.step} fails: {error}", _MAX_TITLE))


def make_body(group: FailureGroup) -> str:
    """Return an issue's text, which begins with the marker."""
    return _join(
        make_marker(group.fingerprint),
        "### What is reported",
        f"{_reports(group.count)} that the {group.step} of {code_span(group.package)} ended with this error:",
        code_block(group.error),
        "### Where",
        _evidence(group),
        "### How to reproduce",
        code_block(make_commands(group), "sh"),
        "### About this issue",
        "It was opened by pytest-flowhealth from install reports. Home folders, names, tokens and "
        "addresses are removed before a report is sent. Errors that differ only in numbers, paths and "
        "versions count as one. A comment follows when the count has doubled or another version is "
        "affected. An issue that is closed as not planned gets no more comments.",
    )


def make_comment(group: FailureGroup, count_before: int, known_versions: Sequence[str]) -> str:
    """Return the text of a comment with the current counts.

    Args:
        group: The reports as they are now.
        count_before: The count of the issue or of its last comment.
        known_versions: The versions that they named.
    """
    new = [name for name, _ in group.versions if name not in known_versions]
    return _join(
        f"{_reports(group.count)} by now, {count_before:,} when this issue was last updated.",
        f"New versions: {_list(map(code_span, new))}." if new else "",
        _evidence(group),
    )


def make_commands(group: FailureGroup) -> str:
    """Return commands that should reproduce the error, made of valid names and versions only.

    An invalid version could be an address: `npm install shop@somebody/else` downloads from GitHub.
    """
    if not fits(group.package, Package):
        return "# no command: this is no name of an npm package"
    where = [f"Node {name}" for name in _most_frequent(group.nodes, Release)]
    where += _most_frequent(group.platforms, Platform)
    (version,) = _most_frequent(group.versions, Version) or ["latest"]
    lines = [f"# most reports: {', '.join(where)}"] if where else []
    lines.append('cd "$(mktemp -d)" && npm init -y')
    lines.append(f"npm install {shlex.quote(f'{group.package}@{version}')}")
    if group.step == "load":
        lines.append(f'node -e "import(process.argv[1])" {shlex.quote(group.package)}')
    elif group.step == "build":
        lines.append("npm rebuild --foreground-scripts")
    elif group.step == "check":
        lines.append("pytest --health")
    return "\n".join(lines)


def make_form_url(group: FailureGroup, repository: str, api: str, labels: Sequence[str]) -> str:
    """Return the address of the filled-in form (docs.github.com, "Creating an issue from a URL query").

    Fields are named by their ids in the form; GitHub ignores a field that the form does not have.
    """
    fields = {"template": FORM, "title": make_title(group), "labels": ",".join(labels)}
    url = f"{web_address(api)}/{repository}/issues/new?{urlencode(fields)}"
    names = [f"{group.package} {name}" for name, _ in group.versions[:3]]
    names += [f"node {name}" for name, _ in group.nodes[:3]]
    names += [name for name, _ in group.platforms[:3]]
    url = _add_field(url, "error", group.error[:4_000])
    return _add_field(url, "requirements", "\n".join(names)[:1_000])


def _add_field(url: str, name: str, text: str) -> str:
    """Return an address with one more field, truncated until it fits."""
    # GitHub shows the field as a block of code, which three backticks would end.
    text = printable(text, 4_000).replace("```", "'''")
    while text:
        longer = f"{url}&{urlencode({name: text})}"
        if len(longer) <= MAX_URL:
            return longer
        text = text[: len(text) // 2]
    return url


def code_span(text: str) -> str:
    """Return a text as code within a line."""
    plain = one_line(text, 200)
    ticks = "`" * (_longest_run(plain) + 1)
    pad = " " if plain.startswith("`") or plain.endswith("`") or not plain else ""
    return f"{ticks}{pad}{plain}{pad}{ticks}"


def code_block(text: str, language: str = "text") -> str:
    """Return a text as a block of code that nothing in it can end."""
    plain = printable(text, _MAX_ERROR)
    fence = "`" * max(3, _longest_run(plain) + 1)
    return f"{fence}{language}\n{plain}\n{fence}"


def _evidence(group: FailureGroup) -> str:
    return "\n".join(
        [
            f"- first report: {_format_time(group.first)}, last: {_format_time(group.last)}",
            f"- versions: {_list_counts(group.versions)}",
            f"- Node: {_list_counts(group.nodes)}",
            f"- platforms: {_list_counts(group.platforms)}",
        ]
    )


def _most_frequent(counts: Sequence[tuple[str, int]], kind: Any) -> list[str]:
    """Return a list of the most frequent valid value, or an empty list."""
    return [name for name, _ in counts if fits(name, kind)][:1]


def _list_counts(counts: Sequence[tuple[str, int]]) -> str:
    return _list(f"{code_span(name)} ({count:,})" for name, count in counts) or "not known"


def _list(texts: Iterable[str]) -> str:
    found = list(texts)
    more = len(found) - _MAX_LISTED
    listed = ", ".join(found[:_MAX_LISTED])
    return listed if more <= 0 else f"{listed}, and {more:,} more"


def _reports(count: int) -> str:
    return "1 installation reported" if count == 1 else f"{count:,} installations reported"


def _format_time(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return "not known"


def _join(*parts: str) -> str:
    return _truncate("\n\n".join(part for part in parts if part), MAX_BODY)


def _truncate(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3].rstrip()}..."


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)

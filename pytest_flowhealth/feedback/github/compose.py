"""What an issue and its comments say: evidence, with nothing in it that acts.

Errors come from strangers. Everything of theirs stands in code: a block whose fence is longer than
any in it, or a span with as many backticks as it needs, where GitHub makes neither links, mentions
nor references. A title is plain text: there they are broken by a space of no width.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pytest_flowhealth.domain.text import escape_mentions, one_line, printable
from pytest_flowhealth.feedback.reports.report import (
    Kind,
    Package,
    Platform,
    Release,
    Version,
    fits,
)

LABEL = "flowhealth"
"""The label of all our issues: they are found again by it."""

LONGEST = 65_536
"""Characters that a body may have (GitHub refuses more)."""

MOST = 15
"""Versions, and the like, that are listed."""

_FINGERPRINT = re.compile(r"[0-9a-f]{16}\Z")
_TITLE = 120
_ERROR = 8_000


def usable(kind: Kind) -> bool:
    """Tell whether a kind's fingerprint is one."""
    return _FINGERPRINT.match(kind.fingerprint) is not None


def own_label(fingerprint: str) -> str:
    """Return the label of one kind's issue."""
    return f"{LABEL}-{fingerprint}"


def marker(fingerprint: str) -> str:
    """Return what an issue's body begins with; a page does not show it."""
    return f"<!-- flowhealth:{fingerprint} -->"


def title(kind: Kind) -> str:
    """Return an issue's title."""
    name = one_line(kind.package, 60)
    said = one_line(kind.error, 400) or "fails, and says nothing"
    return escape_mentions(_cut(f"{name}: {kind.step} fails: {said}", _TITLE))


def body(kind: Kind) -> str:
    """Return an issue's text, which begins with the marker."""
    return _whole(
        [
            marker(kind.fingerprint),
            "### What is reported",
            f"{_times(kind.count)} that the {kind.step} of {span(kind.package)} ended with this error:",
            block(kind.error),
            "### Where",
            *_evidence(kind),
            "### How to reproduce",
            block(reproduce(kind), "sh"),
            "### About this issue",
            "It was opened by pytest-flowhealth from reports of installations, out of which home "
            "folders, names, tokens and addresses are taken before they are sent. Errors that differ "
            "in numbers, paths and versions only count as one. A comment tells when the count has "
            "doubled or another version is concerned; closed as not planned, it is left alone.",
        ]
    )


def comment(kind: Kind, before: int, known: Sequence[str]) -> str:
    """Return what a comment says.

    Args:
        kind: How things are now.
        before: The count that was told last.
        known: The versions that were told.
    """
    new = [name for name, _ in kind.versions if name not in known]
    told = f"{_times(kind.count)} now; when this was told last, there were {before:,}."
    lines = [told]
    if new:
        lines.append(f"New among the versions: {_listed(new)}.")
    return _whole([*lines, *_evidence(kind)])


def reproduce(kind: Kind) -> str:
    """Return commands that should show the error, made of names and versions only that are some.

    A version that is none could be an address: `npm install shop@somebody/else` asks GitHub.
    """
    if not fits(kind.package, Package):
        return "# no command: npm takes no package of this name"
    where = [f"Node {name}" for name in _first(kind.nodes, Release)]
    where += _first(kind.platforms, Platform)
    (version,) = _first(kind.versions, Version) or ["latest"]
    lines = [f"# most reports: {', '.join(where)}"] if where else []
    lines.append('cd "$(mktemp -d)" && npm init -y')
    lines.append(f"npm install {shlex.quote(f'{kind.package}@{version}')}")
    if kind.step == "load":
        lines.append(f'node -e "import(process.argv[1])" {shlex.quote(kind.package)}')
    elif kind.step == "build":
        lines.append("npm rebuild --foreground-scripts")
    elif kind.step == "check":
        lines.append("pytest --health")
    return "\n".join(lines)


def _first(pairs: Sequence[tuple[str, int]], wanted: Any) -> list[str]:
    """Return the most frequent that is one, alone; nothing where none is."""
    return [name for name, _ in pairs if fits(name, wanted)][:1]


def span(text: str) -> str:
    """Return a text as code within a line."""
    plain = one_line(text, 200)
    ticks = "`" * (_longest_run(plain) + 1)
    pad = " " if plain.startswith("`") or plain.endswith("`") or not plain else ""
    return f"{ticks}{pad}{plain}{pad}{ticks}"


def block(text: str, language: str = "text") -> str:
    """Return a text as a block of code that nothing in it can end."""
    plain = printable(text, _ERROR)
    fence = "`" * max(3, _longest_run(plain) + 1)
    return f"{fence}{language}\n{plain}\n{fence}"


def _evidence(kind: Kind) -> list[str]:
    rows = [
        f"- first report: {_day(kind.first)}, last: {_day(kind.last)}",
        f"- versions: {_counted(kind.versions)}",
        f"- Node: {_counted(kind.nodes)}",
        f"- platforms: {_counted(kind.platforms)}",
    ]
    return ["\n".join(rows)]


def _counted(pairs: Sequence[tuple[str, int]]) -> str:
    if not pairs:
        return "not known"
    told = ", ".join(f"{span(name)} ({count:,})" for name, count in pairs[:MOST])
    more = len(pairs) - MOST
    return told if more <= 0 else f"{told}, and {more:,} more"


def _listed(names: Sequence[str]) -> str:
    told = ", ".join(map(span, names[:MOST]))
    return told if len(names) <= MOST else f"{told}, and {len(names) - MOST:,} more"


def _times(count: int) -> str:
    return "1 installation reported" if count == 1 else f"{count:,} installations reported"


def _day(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return "not known"


def _whole(parts: Sequence[str]) -> str:
    # Each part has a bound of its own, far below the whole's.
    return _cut("\n\n".join(parts), LONGEST)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3].rstrip()}..."


def _longest_run(text: str) -> int:
    return max((len(one) for one in re.findall("`+", text)), default=0)

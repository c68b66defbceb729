"""Refuse to overwrite files that this tool did not write."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_READ = 64 * 1024
_WORDS = "healthy|degraded|unhealthy|unknown"

_OURS: Mapping[str, str] = {
    "badge": r'<svg xmlns="http://www.w3.org/2000/svg" data-generator="pytest-flowhealth"',
    "github": r"::(error|warning|notice) (file|title)=",
    "health+json": r'\{"status":"(pass|warn|fail)".*"description":"(%s), as pytest-flowhealth judges"',
    "html": r'<!doctype html>.{,500}<meta name="generator" content="pytest-flowhealth">',
    "json-lines": r'\{"kind":"run","status":"(%s)"',
    "junit": r'<\?xml [^>]*>\s*<testsuites name="flowhealth"',
    "markdown": r"(?i:## (%s): )[^\n]*\n\n[^\n]* in [^\n]* s, \d{4}-\d\d-\d\d [\d:]{8} UTC on ",
    "nagios": r"(OK|WARNING|CRITICAL|UNKNOWN): ",
    "openmetrics": r"# TYPE flowhealth_",
}
"""How what a format of ours wrote begins."""


def require_own(path: Path, form: str) -> None:
    """Raise where a file of the format `form` at `path`, or where a link leads, would lose something else.

    How other packages' formats begin is not known: theirs may replace any file.

    Raises:
        OSError: There is a device, a pipe, or somebody's file.
    """
    if not path.exists():
        return
    if not path.is_file():  # root could replace even a device
        kind = "a folder" if path.is_dir() else "no regular file"
        raise OSError(f"{path} is {kind}; name a file, or none for standard output")
    if form in _OURS and not _is_own(path, _OURS[form].replace("%s", _WORDS)):
        raise OSError(
            f"{path} is there, and no {form} of an earlier run; name another file, or remove it"
        )


def is_same_file(path: Path, other: Path) -> bool:
    """Tell whether two paths, or what they lead to, are one file."""
    return os.path.realpath(path) == os.path.realpath(other)


def _is_own(path: Path, beginning: str) -> bool:
    with path.open("rb") as file:
        content = file.read(_READ).decode("utf-8", "replace")
    return not content.strip() or re.match(beginning, content, re.DOTALL) is not None

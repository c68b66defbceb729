"""Where CI wants what a run tells: paths from the repository's root, and a job's summary."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from pytest_flowhealth.plugin.outputs import Output
from pytest_flowhealth.verdict.check import CheckResult
from pytest_flowhealth.verdict.report import Document, Health

_ROOTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""The variables in which GitHub and GitLab say where the repository is."""

_SUMMARY = "GITHUB_STEP_SUMMARY"


def health_of(document: Document, environ: Mapping[str, str] | None = None) -> Health:
    """Return the verdict for further outputs: with paths as seen from the repository's root.

    A file outside of it has no place there. Where no CI says where that is, paths stay as they are.
    """
    told = os.environ if environ is None else environ
    named = next((told[name] for name in _ROOTS if told.get(name)), None)
    if named is None:
        return document.health
    here, there = (os.path.realpath(one) for one in (document.root, named))
    checks = tuple(_moved(one, Path(here), Path(there)) for one in document.health.checks)
    return msgspec.structs.replace(document.health, checks=checks)


def append_summary(
    document: Document, outputs: Sequence[Output], environ: Mapping[str, str] | None = None
) -> str | None:
    """Append the table to GitHub's job summary, where its format is asked for; return what went wrong."""
    told = os.environ if environ is None else environ
    path = told.get(_SUMMARY)
    if not path or all(one.format != "github" for one in outputs):
        return None
    from pytest_flowhealth.formats.github import SUMMARY, summary

    try:
        with Path(path).open("ab") as file:
            # Others may have written there before us; the limit is for all of it.
            text = summary(health_of(document, told), SUMMARY - file.tell() - 1)
            file.write(f"\n{text}".encode("utf-8", "backslashreplace") if text else b"")
    except OSError as error:
        return f"the job's summary {path} could not be written: {error.strerror or error}"
    return None


def _moved(check: CheckResult, here: Path, there: Path) -> CheckResult:
    file, colon, line = (check.location or "").rpartition(":")
    if not colon:
        return check
    absolute = Path(os.path.realpath(here / file))
    moved = None
    if absolute.is_relative_to(there):
        moved = f"{absolute.relative_to(there).as_posix()}:{line}"
    return msgspec.structs.replace(check, location=moved)

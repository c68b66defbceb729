"""What CI systems expect: paths relative to the repository's root, and GitHub's job summary."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from io import FileIO
from pathlib import Path

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.report import Document, Report
from pytest_flowhealth.plugin.reporting.outputs import Output
from pytest_flowhealth.plugin.reporting.own_files import is_same_file

_ROOTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""The variables in which GitHub and GitLab say where the repository is."""

_SUMMARY = "GITHUB_STEP_SUMMARY"


def relocate(document: Document, environ: Mapping[str, str] | None = None) -> Report:
    """Return the verdict for further outputs: with paths as seen from the repository's root.

    A file outside of it has no place there. Where no CI says where that is, paths stay as they are.
    """
    variables = os.environ if environ is None else environ
    named = next((variables[name] for name in _ROOTS if variables.get(name)), None)
    if named is None:
        return document.health
    here, there = (os.path.realpath(path) for path in (document.root, named))
    checks = tuple(_moved(check, Path(here), Path(there)) for check in document.health.checks)
    return msgspec.structs.replace(document.health, checks=checks)


class CiSummary:
    """GitHub's job summary: a file that is appended to. A second report replaces the first.

    Args:
        path: The file that GitHub names.
        others: Where the report and the outputs are.
    """

    polled = final = False

    def __init__(self, path: Path, others: Iterable[Path]) -> None:
        self._path = path
        self._others = tuple(others)
        self._ours: tuple[int, int] | None = None

    @classmethod
    def from_environment(
        cls, folder: Path, outputs: Sequence[Output], report: Path | None
    ) -> CiSummary | None:
        """Return the summary of this job; None outside GitHub, or without the format `github`."""
        path = os.environ.get(_SUMMARY)
        if path in (None, "", os.devnull) or all(output.format != "github" for output in outputs):
            return None
        return cls(folder / str(path), filter(None, (report, *(output.path for output in outputs))))

    def claim(self, unfinished: Document) -> None:
        """Do nothing: a job that ends early has no summary."""

    def write(self, document: Document) -> str | None:
        """Append the table; return what went wrong, of which nothing stays there."""
        try:
            self._require_own_file(self._path)
            with self._path.open("ab", buffering=0) as file:
                self._take_back(file)
                self._append(file, relocate(document))
        except OSError as error:
            return f"the job's summary {self._path} could not be written: {error.strerror or error}"
        return None

    def _require_own_file(self, path: Path) -> None:
        """Refuse what would wait for a reader for ever, and what another verdict is in."""
        if path.exists() and not path.is_file():
            raise OSError("it is no regular file")
        if any(is_same_file(path, other) for other in self._others):
            raise OSError("the report or an output goes there")

    def _append(self, file: FileIO, health: Report) -> None:
        from pytest_flowhealth.formats.github import SUMMARY, render_summary

        # Others may have written there before us; the limit is for all of it.
        start = file.tell()
        text = render_summary(health, SUMMARY - start - 1)
        content = f"\n{text}".encode("utf-8", "backslashreplace") if text else b""
        try:
            _write_whole(file, content)
        except OSError:
            file.truncate(start)
            raise
        self._ours = (start, start + len(content))

    def _take_back(self, file: FileIO) -> None:
        """Remove what was told before, unless others have written behind it."""
        if self._ours is not None and file.seek(0, os.SEEK_END) == self._ours[1]:
            file.truncate(self._ours[0])
            file.seek(0, os.SEEK_END)
        self._ours = None


def _write_whole(file: FileIO, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]


def _moved(check: CheckResult, here: Path, there: Path) -> CheckResult:
    file, colon, line = (check.location or "").rpartition(":")
    if not colon:
        return check
    absolute = Path(os.path.realpath(here / file))
    moved = None
    if absolute.is_relative_to(there):
        moved = f"{absolute.relative_to(there).as_posix()}:{line}"
    return msgspec.structs.replace(check, location=moved)

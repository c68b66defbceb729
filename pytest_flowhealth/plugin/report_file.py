"""The report on disk: where it goes, how it is claimed at the start and replaced at the end."""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.config.load import locate
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.verdict.report import Document

STDOUT = "-"
"""The value of --health-report that means standard output."""

_FOLDER = ".flowhealth"


def report_path(options: argparse.Namespace, invoked_in: Path) -> Path | None:
    """Return where the report goes, absolute; None for standard output.

    Raises:
        pytest.UsageError: --health-project names no folder.
    """
    if options.health_report == STDOUT:
        return None
    if options.health_report:
        return invoked_in / str(options.health_report)
    folder = options.health_project
    try:
        root = locate(Path(folder) if folder else None, invoked_in)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    return root / _FOLDER / "report.json"


def write_report(path: Path, document: Document) -> None:
    """Write `document` to `path` in one step: readers see the old report or the new one.

    Raises:
        OSError: It can't be written; the old report is still there.
    """
    replace_file(path, encoded(document))


def encoded(document: Document) -> bytes:
    """Return `document` as JSON, indented, with a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` beside `path` and rename it.

    Raises:
        OSError: It can't be written; what was there is still there.
    """
    path = path.resolve()  # a link to the report stays a link
    _make_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _make_folder(folder: Path) -> None:
    """Make the folder; our own one keeps itself out of the target's git."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if folder.name == _FOLDER:
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")

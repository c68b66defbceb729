"""The report on disk: where it goes, how it is claimed at the start and replaced at the end."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import msgspec

from pytest_flowhealth.config.atomic import FOLDER, replace_file
from pytest_flowhealth.config.load import locate
from pytest_flowhealth.domain.report import Document
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.plugin.reporting.messages import make_usage_error

STDOUT = "-"
"""The value of --health-report that means standard output."""


class NotOurs(OSError):
    """What is at the report's place is no report: a device, a pipe, somebody's file."""


def find_report_path(options: argparse.Namespace, invoked_in: Path) -> Path | None:
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
        raise make_usage_error(str(error)) from None
    return root / FOLDER / "report.json"


def write_report(path: Path, document: Document) -> None:
    """Write `document` to `path` in one step: readers see the old report or the new one.

    Raises:
        NotOurs: What is there is no report, and is left as it is.
        OSError: It can't be written; the old report is still there.
    """
    _require_report(path)
    replace_file(path, encode_report(document))


def encode_report(document: Document) -> bytes:
    """Return `document` as JSON, indented, with a newline at the end."""
    try:
        content = msgspec.json.encode(document)
    except UnicodeEncodeError:  # a lone surrogate, of a path that is not UTF-8
        content = json.dumps(msgspec.to_builtins(document)).encode()
    return msgspec.json.format(content, indent=2) + b"\n"


def _require_report(path: Path) -> None:
    """Raise where `path` would lose something else: root could replace even a device."""
    if not path.exists():
        return
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no regular file"
        raise NotOurs(
            f"the report can't be put onto {path}: it is {kind}; "
            f"name a file with --health-report FILE, or {STDOUT} for standard output"
        )
    if path.parent.name != FOLDER and not _is_report(path.read_bytes()):
        raise NotOurs(
            f"the report can't be put onto {path}: it is there, and is no report; "
            "name another place with --health-report FILE, or remove it"
        )


def _is_report(content: bytes) -> bool:
    """Tell whether a file may be overwritten: it is empty, or a report, ours or pytest-json-report's."""
    if not content.strip():
        return True
    try:
        keys = msgspec.json.decode(content, type=dict[str, msgspec.Raw]).keys()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return "health" in keys or {"created", "tests"} <= keys

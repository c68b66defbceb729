"""Runs the real command in a process of its own, as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from pytest_flowhealth.domain.report import schema

SCHEMA = schema()


class Result(msgspec.Struct, frozen=True):
    """What a run left: exit code, both outputs, the report (None where there is none)."""

    exit_code: int
    out: str
    err: str
    report: dict[str, Any] | None

    @property
    def health(self) -> dict[str, Any]:
        """The report's own part."""
        assert self.report is not None, self.out + self.err
        part: dict[str, Any] = self.report["health"]
        return part

    def check(self, check_id: str) -> dict[str, Any]:
        """Return one check of the report."""
        found: dict[str, Any] = next(one for one in self.health["checks"] if one["id"] == check_id)
        return found

    @property
    def outcomes(self) -> dict[str, str]:
        """The outcome of each check."""
        return {one["id"]: one["outcome"] for one in self.health["checks"]}


Health = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Health:
    """Return a function that writes a file of checks and runs pytest on it.

    The file's imports are there already; `files` are others to write.
    """

    def run_health(
        source: str,
        *args: str,
        health: bool = True,
        files: dict[str, str] | None = None,
        env: dict[str, str] | None = None,
        path: tuple[str, ...] = ("test_checks.py",),
        report: str = ".flowhealth/report.json",
    ) -> Result:
        (tmp_path / "package.json").write_text('{"name": "app", "version": "1.2.3"}')
        head = "import math, os, signal, sys, time\nimport pytest\n"
        (tmp_path / "test_checks.py").write_text(head + source)
        for name, text in (files or {}).items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        started = subprocess.run(
            [sys.executable, "-m", "pytest", *(["--health"] if health else []), *path, *args],
            cwd=tmp_path,
            env=_environment() | (env or {}),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        found = tmp_path / report
        document = json.loads(found.read_text()) if found.is_file() else None
        if document is not None:
            jsonschema.validate(document, SCHEMA)
        return Result(started.returncode, started.stdout, started.stderr, document)

    return run_health


def _environment() -> dict[str, str]:
    dropped = ("PYTEST_", "FLOWHEALTH_", "REDIS_URL", "COV_")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)}

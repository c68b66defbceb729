"""Dashboards with known delays, each a program of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.config.target import Target

Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that starts a server by a plan (server.py) and returns its host and port."""
    started = []

    def start(**plan: Any) -> str:
        argv = [sys.executable, str(Path(__file__).with_name("server.py")), json.dumps(plan)]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return f"127.0.0.1:{process.stdout.readline().strip()}"

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., Target]:
    """Return a function that writes [dashboard] and returns the target."""

    def write(**settings: Any) -> Target:
        (tmp_path / "package.json").write_text('{"name": "x"}')
        lines = [f"{key} = {toml(value)}" for key, value in settings.items()]
        (tmp_path / "flowhealth.toml").write_text("[dashboard]\n" + "\n".join(lines))
        return load_target(tmp_path, {}, tmp_path)

    return write


def toml(value: Any) -> str:
    """Return a value as TOML has it, tables in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {toml(one)}' for key, one in value.items())}}}"
    return json.dumps(value)


def truth(place: str) -> dict[str, list[Any]]:
    """Ask a server what it did."""
    with urllib.request.urlopen(f"http://{place}/truth") as answer:
        found: dict[str, list[Any]] = json.load(answer)
        return found

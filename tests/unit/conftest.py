"""Tests in this folder start no process and open no connection; here that is enforced."""

import sys
from pathlib import Path
from typing import Any

import pytest

FORBIDDEN = frozenset(
    ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "os.system", "socket.connect")
)

_guarded = False


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if _guarded and event in FORBIDDEN:
        raise RuntimeError(f"a unit test must not use {event}: move it to tests/integration")


sys.addaudithook(_refuse)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    """Guard each test of this folder."""
    global _guarded  # noqa: PLW0603  # an audit hook can't be removed, so it is switched
    _guarded = Path(__file__).parent in item.path.parents
    try:
        return (yield)
    finally:
        _guarded = False

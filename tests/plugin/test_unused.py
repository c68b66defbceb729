"""An ordinary suite pays next to nothing for the plugin."""

from __future__ import annotations

import subprocess
import sys

from tests.plugin.conftest import Health

HEAVY = ("psutil", "redis", "requests", "sqlite3", "starlette", "msgspec", "tomllib")


def test_the_hooks_module_imports_nothing_heavy() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import pytest_flowhealth.plugin.hooks; "
        f"print([name for name in {HEAVY!r} if name in set(sys.modules) - before])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_an_ordinary_suite_is_left_alone(run: Health) -> None:
    source = """
def test_plain():
    assert not [name for name in sys.modules if name.startswith("pytest_flowhealth.") and "plugin" not in name]
    assert "msgspec" not in sys.modules
"""
    result = run(source, health=False)

    assert result.exit_code == 0, result.out
    assert result.report is None


def test_the_fixtures_work_in_an_ordinary_test(run: Health) -> None:
    result = run(
        """
def test_plain(health, target):
    health.measure("x", 1, "s")
    assert target.name == "app"
""",
        health=False,
    )

    assert result.exit_code == 0, result.out

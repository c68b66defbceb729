"""Under pytest-xdist: lost workers, what can't be serialised, the same verdict."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import Health

FINE = """
@pytest.mark.health("app")
@pytest.mark.parametrize("number", range(6))
@pytest.mark.threshold("x", warn=5, fail=9, unit="ms")
def test_fine(health, number):
    health.measure("x", [number / 2] * 5, "ms")
    health.detail(number=number)
"""


def test_the_verdict_is_the_same(run: Health) -> None:
    alone, shared = run(FINE), run(FINE, "-n", "2")

    assert alone.exit_code == shared.exit_code == 0
    assert shared.outcomes == alone.outcomes
    assert shared.check("app.fine[3]")["measurements"][0]["stats"]["median"] == 1.5
    assert shared.health["components"] == alone.health["components"]


@pytest.mark.parametrize("options", [(), ("--max-worker-restart=0",)])
@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_lost_worker_is_never_healthy(run: Health, end: str, options: tuple[str, ...]) -> None:
    result = run(
        FINE + f"@pytest.mark.health('app')\ndef test_end():\n    {end}\n", "-n", "2", *options
    )

    assert result.exit_code in (2, 3), result.out
    assert result.health["status"] in ("unhealthy", "unknown")
    assert any("crashed" in one or "was lost" in one for one in result.health["reasons"])


def test_all_workers_lost_while_collecting(run: Health) -> None:
    result = run(FINE + "os._exit(0)\n", "-n", "2")

    assert result.exit_code in (2, 3), result.out + result.err
    assert result.health["status"] != "healthy"


def test_a_log_record_that_cannot_be_serialised_harms_nobody(run: Health) -> None:
    source = """
import logging
@pytest.mark.health("app")
def test_log():
    logging.getLogger().warning("x", extra={"thing": object(), "lock": logging})
"""
    assert run(source, "-n", "2").exit_code == 0
    assert run(source, "-n", "2", "--json-report", "--json-report-omit", "log").exit_code == 0


def test_details_that_cannot_be_serialised_become_text(run: Health) -> None:
    result = run(
        """
class Odd:
    def __repr__(self):
        raise ValueError
@pytest.mark.health("app")
def test_odd(health):
    health.detail(odd=Odd(), lock=object, infinite=math.inf, nested={1: [object]})
""",
        "-n",
        "2",
    )

    assert result.exit_code == 0
    assert result.check("app.odd")["details"]["odd"] == "<Odd>"


@pytest.mark.parametrize("health", [True, False])
def test_import_errors(run: Health, health: bool) -> None:
    result = run(
        FINE, "-n", "2", health=health, files={"test_bad.py": "import not_there\n"}, path=()
    )
    if health:
        result = run(
            FINE,
            "-n",
            "2",
            files={"test_bad.py": "import not_there\n"},
            path=("test_checks.py", "test_bad.py"),
        )
        assert result.exit_code == 3, result.out
        assert "could not collect" in result.health["reasons"][0]
    else:
        assert result.exit_code != 0

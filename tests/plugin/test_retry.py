"""--health-retry: failing checks only, until they pass or the time is up."""

from __future__ import annotations

from tests.plugin.conftest import Health

FLAKY = """
from pathlib import Path
def count(name):
    path = Path(name)
    number = int(path.read_text()) if path.exists() else 0
    path.write_text(str(number + 1))
    return number + 1

@pytest.mark.health("app", timeout=5)
def test_flaky():
    assert count("flaky") >= 3, "not yet"

@pytest.mark.health("app", requires="app.flaky")
def test_next():
    count("next")
"""


def test_a_check_that_passes_at_the_third_attempt_warns(run: Health) -> None:
    result = run(FLAKY, "--health-retry", "20s")

    assert result.outcomes == {"app.flaky": "warn", "app.next": "pass"}
    assert result.check("app.flaky")["message"] == "passed at attempt 3"
    assert result.check("app.flaky")["attempts"] == 3
    assert result.check("app.flaky")["details"]["earlier_attempts"][0].startswith("not yet")
    assert result.exit_code == 1


def test_what_never_passes_fails_when_the_time_is_up(run: Health) -> None:
    result = run(
        "@pytest.mark.health('app')\ndef test_bad():\n    assert 0, 'down'\n",
        "--health-retry",
        "1s",
    )

    assert result.exit_code == 2
    assert result.check("app.bad")["attempts"] >= 2


def test_a_session_fixture_that_fails_is_set_up_again(run: Health) -> None:
    result = run(
        FLAKY
        + """
@pytest.fixture(scope="session")
def late():
    assert count("late") >= 2, "starting"

@pytest.mark.health("late")
def test_late(late):
    pass
""",
        "--health-retry",
        "20s",
    )
    assert result.outcomes["late.late"] == "warn"


def test_each_attempt_has_its_own_timeout(run: Health) -> None:
    result = run(
        """
from pathlib import Path
@pytest.mark.health("app", timeout=1)
def test_slow_start():
    if not Path("there").exists():
        Path("there").touch()
        time.sleep(30)
    time.sleep(0.5)
""",
        "--health-retry",
        "20s",
    )
    assert result.outcomes == {"app.slow_start": "warn"}


def test_reruns_of_another_plugin_count_as_attempts(run: Health) -> None:
    conftest = """
import pytest
from _pytest.runner import runtestprotocol
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    for attempt in (1, 2):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            if report.failed and attempt == 1:
                report.outcome = "rerun"
                item.ihook.pytest_runtest_logreport(report=report)
                break
            item.ihook.pytest_runtest_logreport(report=report)
        else:
            return True
"""
    source = """
from pathlib import Path
@pytest.mark.health("app")
def test_flaky():
    there = Path("there").exists()
    Path("there").touch()
    assert there
"""
    result = run(source, files={"conftest.py": conftest})
    assert result.outcomes == {"app.flaky": "warn"}

"""--health-retry runs failing checks only, until they pass or the time is up."""

from tests.kit.runs import RunChecks

COUNT = """
from pathlib import Path
def count(name):
    path = Path(name)
    number = int(path.read_text()) if path.exists() else 0
    path.write_text(str(number + 1))
    return number + 1
"""


def test_a_check_that_passes_at_a_later_attempt_warns(run_checks: RunChecks) -> None:
    source = """
@pytest.mark.health("app", timeout=60)
def test_flaky():
    assert count("flaky") >= 3, "not yet"

@pytest.mark.health("app", requires="app.flaky")
def test_next():
    assert count("next") == 1

@pytest.fixture(scope="session")
def late():
    assert count("late") >= 2, "starting"

@pytest.mark.health("app")
def test_late(late):
    pass

@pytest.mark.health("app", timeout=2)
def test_slow_start():
    if count("slow") == 1:
        time.sleep(30)
"""
    result = run_checks(COUNT + source, "--health-retry", "60s")

    assert result.outcomes == {
        "app.flaky": "warn",
        "app.next": "pass",
        "app.late": "warn",
        "app.slow_start": "warn",
    }
    flaky = result.check("app.flaky")
    assert (flaky["attempts"], flaky["message"]) == (3, "passed at attempt 3")
    assert flaky["details"]["earlier_attempts"][0].startswith("not yet")
    assert result.exit_code == 1


def test_a_prefetched_fixture_is_measured_anew_by_each_attempt(run_checks: RunChecks) -> None:
    source = """
from pytest_flowhealth import prefetch

@prefetch
def answer():
    if count("answer") < 3:
        raise ConnectionError("down")
    return 1

@pytest.mark.health("app")
def test_answer(answer):
    assert answer.result() == 1

@pytest.mark.health("app", requires="app.answer")
def test_again(answer):
    assert answer.result() == 1
"""
    result = run_checks(COUNT + source, "--health-retry", "60s")

    assert result.outcomes == {"app.answer": "warn", "app.again": "pass"}
    assert result.check("app.answer")["message"] == "passed at attempt 3"


def test_what_fails_at_every_attempt_and_what_then_skips_is_a_failure(
    run_checks: RunChecks,
) -> None:
    source = """
@pytest.mark.health("app")
def test_bad():
    assert 0, "down"

@pytest.mark.health("app", timeout=0.5)
def test_hangs():
    time.sleep(30)

@pytest.mark.health("app")
def test_moody():
    if count("moody") == 2:
        pytest.skip("not today")
    assert False
"""
    result = run_checks(COUNT + source, "--health-retry", "1s")

    assert result.exit_code == 2
    assert set(result.outcomes.values()) == {"fail"}
    assert result.check("app.bad")["attempts"] >= 2
    assert "no end within its timeout" in result.check("app.hangs")["message"]
    assert "skipped at attempt 2, after it failed" in result.check("app.moody")["message"]


def test_reruns_of_another_plugin_count_as_attempts(run_checks: RunChecks) -> None:
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
    source = "@pytest.mark.health('app')\ndef test_flaky():\n    assert count('flaky') > 1\n"

    result = run_checks(COUNT + source, files={"conftest.py": conftest})

    assert result.outcomes == {"app.flaky": "warn"}

"""Hooks of the target's conftest.py, and pytest's own quiet ways, that would hide a failure."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import Health

CHECKS = """
@pytest.mark.health("app")
def test_good():
    pass

@pytest.mark.health("app")
def test_bad():
    assert 1 == 2
"""

BODY_NEVER_RUNS = "def pytest_pyfunc_call(pyfuncitem): return True"

CATCHES = """
import pytest
@pytest.hookimpl(wrapper=True, {order}=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    except BaseException:
        return None
"""

SAYS = """
import pytest
@pytest.hookimpl(wrapper=True, {order}=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call":
        report.outcome = "{outcome}"
        report.longrepr = ("conftest.py", 1, "never mind")
    return report
"""


def test_a_body_that_never_ran_is_unknown(run: Health) -> None:
    result = run(CHECKS, files={"conftest.py": BODY_NEVER_RUNS})
    assert result.exit_code == 3
    assert result.outcomes == {"app.good": "unknown", "app.bad": "unknown"}
    assert "its body never ran" in result.check("app.bad")["message"]


@pytest.mark.parametrize(
    "conftest",
    [
        CATCHES.format(order="tryfirst"),
        CATCHES.format(order="trylast"),
        SAYS.format(order="trylast", outcome="passed"),
        SAYS.format(order="tryfirst", outcome="passed"),
        SAYS.format(order="trylast", outcome="skipped"),
    ],
)
def test_a_failure_that_a_hook_hides_counts(run: Health, conftest: str) -> None:
    result = run(CHECKS, files={"conftest.py": conftest})
    assert result.exit_code == 2, result.out
    assert result.check("app.bad")["outcome"] == "fail"
    assert "1 == 2" in result.check("app.bad")["message"]


def test_methods_and_unittest_bodies_are_seen_to_run(run: Health) -> None:
    result = run(
        """
import unittest

@pytest.mark.health("app")
class TestApp:
    def test_method(self): self.seen = True

@pytest.mark.health("app")
class TestCase(unittest.TestCase):
    def test_case(self): self.assertTrue(True)

@pytest.mark.health("app")
class TestLater(unittest.IsolatedAsyncioTestCase):
    async def test_later(self): self.assertTrue(True)
"""
    )
    assert result.exit_code == 0, result.out
    assert set(result.outcomes.values()) == {"pass"}


THREAD = """
import threading

@pytest.mark.health("app")
def test_thread():
    def work(): raise ValueError("in a thread")
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""


@pytest.mark.parametrize("filters", ["", "[pytest]\nfilterwarnings = ignore\n"])
def test_an_error_in_a_thread_leaves_the_check_unknown(run: Health, filters: str) -> None:
    result = run(THREAD, files={"pytest.ini": filters} if filters else {})
    assert result.exit_code == 3
    assert "ValueError: in a thread" in result.check("app.thread")["message"]


@pytest.mark.parametrize("part", ["warnings", "threadexception"])
def test_what_tells_of_them_can_not_be_switched_off(run: Health, part: str) -> None:
    result = run(CHECKS, "-p", f"no:{part}")
    assert result.exit_code == 4
    assert f"leave out -p no:{part}" in result.err


SKIPS_ITSELF = """
import pytest
pytest.importorskip("a_module_that_nobody_has")
@pytest.mark.health("other")
def test_other(): pass
"""


@pytest.mark.parametrize("health", [True, False])
def test_a_file_that_skips_itself_is_told(run: Health, health: bool) -> None:
    good = '@pytest.mark.health("app")\ndef test_good(): pass\n'
    files = {"test_other.py": SKIPS_ITSELF}
    result = run(good, health=health, files=files, path=("test_checks.py", "test_other.py"))
    assert result.exit_code == 3
    assert "test_other.py skipped itself whole" in result.out
    assert "a_module_that_nobody_has" in result.out


def test_an_ordinary_file_that_skips_itself_is_no_concern_of_checks(run: Health) -> None:
    good = '@pytest.mark.health("app")\ndef test_good(): pass\n'
    files = {"test_other.py": SKIPS_ITSELF.replace('@pytest.mark.health("other")\n', "")}
    result = run(good, health=False, files=files, path=("test_checks.py", "test_other.py"))
    assert result.exit_code == 0


def test_a_strict_xpass_says_why(run: Health) -> None:
    source = '@pytest.mark.health("app")\n@pytest.mark.xfail(strict=True, reason="old bug")\ndef test_x(): pass\n'
    result = run(source)
    assert result.exit_code == 2
    assert result.check("app.x")["message"] == "[XPASS(strict)] old bug"


def test_a_missing_fixture_is_told_by_its_name(run: Health) -> None:
    result = run('@pytest.mark.health("app")\ndef test_x(nothere): pass\n')
    assert result.exit_code == 3
    assert "fixture 'nothere' not found" in result.check("app.x")["message"]


def test_a_failure_that_skips_at_the_next_attempt_stays_one(run: Health) -> None:
    result = run(
        """
@pytest.mark.health("app")
def test_moody():
    if os.path.exists("seen"):
        pytest.skip("not today")
    open("seen", "w").close()
    assert False
""",
        "--health-retry=1s",
    )
    assert result.exit_code == 2
    assert "skipped at attempt 2, after it failed" in result.check("app.moody")["message"]

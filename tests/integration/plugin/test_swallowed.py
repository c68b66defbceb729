"""A failure that a hook of the target's conftest.py hides, or a file that skips itself, still counts."""

import pytest

from tests.kit.runs import RunChecks

CHECKS = """
@pytest.mark.health("app")
def test_good():
    pass

@pytest.mark.health("app")
def test_bad():
    assert 1 == 2
"""

CATCHES = """
import pytest
@pytest.hookimpl(wrapper=True, {order}=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    except BaseException:
        return None
"""

SKIPS_INSTEAD = CATCHES.replace("return None", "pytest.skip('not here')")
CHANGES_THE_END = """
import pytest
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main():
    yield
    return {code}
"""

CHANGES_THE_REPORT = """
import pytest
@pytest.hookimpl(wrapper=True, {order}=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call":
        report.outcome = "{outcome}"
        report.longrepr = ("conftest.py", 1, "never mind")
    return report
"""


def test_a_body_that_never_ran_is_unknown(run_checks: RunChecks) -> None:
    result = run_checks(
        CHECKS, files={"conftest.py": "def pytest_pyfunc_call(pyfuncitem): return True"}
    )

    assert result.exit_code == 3
    assert result.outcomes == {"app.good": "unknown", "app.bad": "unknown"}
    assert "its body never ran" in result.check("app.bad")["message"]


@pytest.mark.parametrize(
    "conftest",
    [
        CATCHES.format(order="tryfirst"),
        CATCHES.format(order="trylast"),
        SKIPS_INSTEAD.format(order="tryfirst"),
        SKIPS_INSTEAD.format(order="trylast"),
        CHANGES_THE_END.format(code=0),
        CHANGES_THE_END.format(code=1),
        CHANGES_THE_REPORT.format(order="trylast", outcome="passed"),
        CHANGES_THE_REPORT.format(order="tryfirst", outcome="passed"),
        CHANGES_THE_REPORT.format(order="trylast", outcome="skipped"),
    ],
    ids=[
        *(
            "caught first",
            "caught last",
            "skips first",
            "skips last",
            "exits with 0",
            "exits with 1",
        ),
        *("passed last", "passed first", "skipped last"),
    ],
)
def test_a_failure_that_a_hook_hides_counts(run_checks: RunChecks, conftest: str) -> None:
    result = run_checks(CHECKS, files={"conftest.py": conftest})

    assert result.exit_code == 2, result.out
    assert result.check("app.bad")["outcome"] == "fail"
    assert "1 == 2" in result.check("app.bad")["message"]


GOOD = '@pytest.mark.health("app")\ndef test_good(): pass\n'
SKIPS_ITSELF = """
import pytest
pytest.importorskip("a_module_that_nobody_has")
@pytest.mark.health("other")
def test_other(): pass
"""


@pytest.mark.parametrize("health", [True, False])
def test_a_file_of_checks_that_skips_itself_is_a_reason(
    run_checks: RunChecks, health: bool
) -> None:
    files = {"test_other.py": SKIPS_ITSELF}
    result = run_checks(GOOD, health=health, files=files, path=("test_checks.py", "test_other.py"))

    assert result.exit_code == 3
    (reason,) = result.reasons
    assert "test_other.py skipped itself whole" in reason
    assert "a_module_that_nobody_has" in reason


def test_a_file_of_plain_tests_may_skip_itself_beside_checks(run_checks: RunChecks) -> None:
    files = {"test_other.py": SKIPS_ITSELF.replace('@pytest.mark.health("other")\n', "")}
    result = run_checks(GOOD, health=False, files=files, path=("test_checks.py", "test_other.py"))

    assert result.exit_code == 0

"""Both tables of the verdict, each row by the real command."""

from __future__ import annotations

import datetime
import textwrap
import time

import pytest

from tests.plugin.conftest import Health

YESTERDAY = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)).date().isoformat()
TOMORROW = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)).date().isoformat()

GOOD = "@pytest.mark.health('app')\ndef test_good():\n    pass\n"


def check(
    body: str, *markers: str, name: str = "it", component: str = "app", args: str = "health"
) -> str:
    """Return the source of one check."""
    marks = (
        markers
        if any("health(" in one for one in markers)
        else (f"@pytest.mark.health({component!r})", *markers)
    )
    return "\n".join(
        [*marks, f"def test_{name}({args}):", textwrap.indent(textwrap.dedent(body), "    "), ""]
    )


ROWS = {
    "passes": (check("pass"), "pass", 0),
    "measured within": (
        check(
            "health.measure('x', 5, 'ms')", "@pytest.mark.threshold('x', warn=5, fail=9, unit='ms')"
        ),
        "pass",
        0,
    ),
    "past warn": (
        check(
            "health.measure('x', 6, 'ms')", "@pytest.mark.threshold('x', warn=5, fail=9, unit='ms')"
        ),
        "warn",
        1,
    ),
    "past fail": (
        check(
            "health.measure('x', 10, 'ms')",
            "@pytest.mark.threshold('x', warn=5, fail=9, unit='ms')",
        ),
        "fail",
        2,
    ),
    "past fail, in another unit": (
        check(
            "health.measure('x', 0.01, 's')",
            "@pytest.mark.threshold('x', warn=5, fail=9, unit='ms')",
        ),
        "fail",
        2,
    ),
    "higher is better": (
        check(
            "health.measure('x', 29, 'x')",
            "@pytest.mark.threshold('x', warn=40, fail=30, unit='x')",
        ),
        "fail",
        2,
    ),
    "warns": (check("health.warn('mind')"), "warn", 1),
    "xfail": (check("assert 0", "@pytest.mark.xfail(reason='known')"), "warn", 1),
    "xfail, not run": (
        check("assert 0", "@pytest.mark.xfail(reason='known', run=False)"),
        "warn",
        1,
    ),
    "imperative xfail": (check("pytest.xfail('known')"), "warn", 1),
    "strict xfail that passes": (check("pass", "@pytest.mark.xfail(strict=True)"), "fail", 2),
    "xfail by a threshold": (
        check(
            "health.measure('x', 10, 'ms')",
            "@pytest.mark.threshold('x', warn=5, fail=9)",
            "@pytest.mark.xfail(reason='k')",
        ),
        "warn",
        1,
    ),
    "assertion": (check("assert 1 == 2"), "fail", 2),
    "exception": (check("1 / 0"), "fail", 2),
    "SystemExit 0": (check("sys.exit(0)"), "fail", 2),
    "not critical": (check("assert 0", "@pytest.mark.health('app', critical=False)"), "fail", 1),
    "not critical, unknown": (
        check(
            "pass",
            "@pytest.mark.health('app', critical=False)",
            "@pytest.mark.threshold('x', warn=1, fail=2)",
        ),
        "unknown",
        1,
    ),
    "timeout": (check("time.sleep(30)", "@pytest.mark.health('app', timeout=0.3)"), "fail", 2),
    "timeout in set-up": (
        "@pytest.fixture\ndef slow():\n    time.sleep(30)\n"
        + check("pass", "@pytest.mark.health('app', timeout=0.3)", args="slow"),
        "fail",
        2,
    ),
    "timeout that is swallowed": (
        check(
            "try:\n    time.sleep(30)\nexcept BaseException:\n    pass",
            "@pytest.mark.health('app', timeout=0.3)",
        ),
        "fail",
        2,
    ),
    "never measured": (check("pass", "@pytest.mark.threshold('x', warn=5, fail=9)"), "unknown", 3),
    "NaN": (
        check("health.measure('x', math.nan, 'ms')", "@pytest.mark.threshold('x', warn=5, fail=9)"),
        "unknown",
        3,
    ),
    "infinity": (
        check(
            "health.measure('x', -math.inf, 'ms')", "@pytest.mark.threshold('x', warn=5, fail=9)"
        ),
        "unknown",
        3,
    ),
    "empty": (
        check("health.measure('x', [], 'ms')", "@pytest.mark.threshold('x', warn=5, fail=9)"),
        "unknown",
        3,
    ),
    "None": (
        check("health.measure('x', None, 'ms')", "@pytest.mark.threshold('x', warn=5, fail=9)"),
        "unknown",
        3,
    ),
    "a text": (
        check("health.measure('x', '5', 'ms')", "@pytest.mark.threshold('x', warn=5, fail=9)"),
        "unknown",
        3,
    ),
    "True": (
        check("health.measure('x', True, 'ms')", "@pytest.mark.threshold('x', warn=5, fail=9)"),
        "unknown",
        3,
    ),
    "a NaN in a series": (
        check(
            "health.measure('x', [1, math.nan], 'ms')",
            "@pytest.mark.threshold('x', warn=5, fail=9)",
        ),
        "unknown",
        3,
    ),
    "another kind of unit": (
        check(
            "health.measure('x', 1, 'B')", "@pytest.mark.threshold('x', warn=5, fail=9, unit='ms')"
        ),
        "unknown",
        3,
    ),
    "p95 of 19 samples": (
        check(
            "health.measure('x', [1]*19, 'ms')", "@pytest.mark.threshold('x.p95', warn=5, fail=9)"
        ),
        "unknown",
        3,
    ),
    "p95 of 20 samples": (
        check(
            "health.measure('x', [1]*20, 'ms')", "@pytest.mark.threshold('x.p95', warn=5, fail=9)"
        ),
        "pass",
        0,
    ),
    "p99 of 99 samples": (
        check(
            "health.measure('x', [1]*99, 'ms')", "@pytest.mark.threshold('x.p99', warn=5, fail=9)"
        ),
        "unknown",
        3,
    ),
    "set-up error": (
        "@pytest.fixture\ndef bad():\n    raise OSError('gone')\n" + check("pass", args="bad"),
        "unknown",
        3,
    ),
    "no such fixture": (check("pass", args="nowhere"), "unknown", 3),
    "tear-down error": (
        "@pytest.fixture\ndef bad():\n    yield\n    raise OSError('gone')\n"
        + check("pass", args="bad"),
        "unknown",
        3,
    ),
    "failing subtest": (
        check(
            "with subtests.test('a'):\n    assert 0\nwith subtests.test('b'):\n    pass",
            args="subtests",
        ),
        "fail",
        2,
    ),
    "passing subtests": (check("with subtests.test('a'):\n    pass", args="subtests"), "pass", 0),
    "skipped without a reason": (check("pytest.skip()"), "unknown", 3),
    "waived": (
        check("assert 0", f"@pytest.mark.waive(until={TOMORROW!r}, reason='ticket 7')"),
        "warn",
        1,
    ),
    "waived by a threshold": (
        check(
            "health.measure('x', 10, 'ms')",
            "@pytest.mark.threshold('x', warn=5, fail=9)",
            f"@pytest.mark.waive(until={TOMORROW!r}, reason='ticket 7')",
        ),
        "warn",
        1,
    ),
    "waiver over": (
        check("assert 0", f"@pytest.mark.waive(until={YESTERDAY!r}, reason='ticket 7')"),
        "fail",
        2,
    ),
    "waiver not needed": (
        check("pass", f"@pytest.mark.waive(until={TOMORROW!r}, reason='ticket 7')"),
        "pass",
        0,
    ),
    "waiver does not cover unknown": (
        check(
            "pass",
            "@pytest.mark.threshold('x', warn=5, fail=9)",
            f"@pytest.mark.waive(until={TOMORROW!r}, reason='ticket 7')",
        ),
        "unknown",
        3,
    ),
    "bad figure, then a skip": (
        check(
            "health.measure('x', 10, 'ms')\npytest.skip('n/a')",
            "@pytest.mark.threshold('x', warn=5, fail=9)",
        ),
        "fail",
        2,
    ),
    "returns False": (check("return False"), "unknown", 3),
    "a coroutine that nobody awaits": (
        "import unittest\nclass TestIt(unittest.TestCase):\n    @pytest.mark.health('app')\n"
        "    async def test_it(self):\n        assert 0\n",
        "unknown",
        3,
    ),
    "measured twice": (
        check("health.measure('x', 10, 'ms')\nhealth.measure('x', 1, 'ms')"),
        "fail",
        2,
    ),
    "CheckFailed": (
        check("from pytest_flowhealth import CheckFailed\nraise CheckFailed('down')"),
        "fail",
        2,
    ),
    "MeasurementUnavailable": (
        check(
            "from pytest_flowhealth import MeasurementUnavailable\nraise MeasurementUnavailable('cannot look')"
        ),
        "unknown",
        3,
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_check_that_ends_so_counts_so(run: Health, row: str) -> None:
    source, outcome, exit_code = ROWS[row]

    result = run(source)

    assert (result.outcomes, result.exit_code) == ({"app.it": outcome}, exit_code), result.out
    assert result.health["exit_code"] == exit_code
    assert "Traceback" not in result.out + result.err


@pytest.mark.parametrize(
    "reason", ["health.not_applicable('no Redis here')", "pytest.skip('no Redis here')"]
)
def test_a_skip_with_a_reason_counts_as_nothing(run: Health, reason: str) -> None:
    result = run(GOOD + check(reason))

    assert (result.outcomes["app.it"], result.exit_code) == ("skip", 0)
    assert result.check("app.it")["message"] == "no Redis here"


RUNS = {
    "import error": ("import not_there\n" + GOOD, 3, "could not collect"),
    "syntax error": ("def (\n", 3, "could not collect"),
    "nothing collected": ("", 3, "no check was run"),
    "no check among the tests": ("def test_plain():\n    pass\n", 3, "no check was run"),
    "every check skipped": (check("pytest.skip('n/a')"), 3, "every check was skipped"),
    "pytest.exit with 0": (GOOD + check("pytest.exit('bye', returncode=0)"), 3, "never reported"),
    "pytest.exit with 1": (GOOD + check("pytest.exit('bye', returncode=1)"), 3, "never reported"),
    "interrupted": (GOOD + check("raise KeyboardInterrupt"), 3, "never reported"),
    "ordinary test fails": (
        GOOD + "def test_plain():\n    assert 0\n",
        2,
        "which is no check, failed",
    ),
    "SystemExit at import": (GOOD + "raise SystemExit(0)\n", 3, "SystemExit"),
    "pytest.exit at import": (GOOD + "pytest.exit('bye', returncode=0)\n", 3, "bye"),
    "skip at import": ("pytest.skip('not here', allow_module_level=True)\n", 3, "no check was run"),
}


@pytest.mark.parametrize("row", RUNS)
def test_what_keeps_a_run_from_reporting_is_never_healthy(run: Health, row: str) -> None:
    source, exit_code, reason = RUNS[row]

    result = run(source)

    assert result.exit_code == exit_code, result.out + result.err
    assert any(reason in one for one in result.health["reasons"]), result.health["reasons"]


CONFTESTS = {
    "exit in sessionfinish": "import pytest\ndef pytest_sessionfinish():\n    pytest.exit('x', returncode=0)\n",
    "error in sessionfinish": "def pytest_sessionfinish():\n    raise OSError('boom')\n",
    "exit code set to 0 late": (
        "import pytest\n@pytest.hookimpl(trylast=True)\ndef pytest_unconfigure(config):\n    raise OSError('boom')\n"
    ),
    "error in a report hook": "def pytest_runtest_logreport(report):\n    raise OSError('boom')\n",
    "items dropped in silence": "def pytest_collection_modifyitems(items):\n    items[:] = items[:1]\n",
    "items dropped before the loop": "def pytest_runtestloop(session):\n    session.items[:] = session.items[:1]\n",
    "loop that does nothing": "import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_runtestloop(session):\n    return True\n",
    "protocol that does nothing": "import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_protocol(item):\n    return True\n",
    "call that does nothing": "import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_pyfunc_call():\n    return True\n",
    "exit while collecting": "import pytest\ndef pytest_collection_modifyitems():\n    pytest.exit('x', returncode=0)\n",
    "exit at the start": "import pytest\ndef pytest_sessionstart():\n    pytest.exit('x', returncode=0)\n",
    "exit code of the session": "def pytest_sessionfinish(session):\n    session.exitstatus = 7\n",
}


@pytest.mark.parametrize("row", [row for row in CONFTESTS if row != "call that does nothing"])
def test_a_plugin_that_interferes_cannot_make_a_run_healthy(run: Health, row: str) -> None:
    two = GOOD + check("assert True", name="two")

    result = run(two, files={"conftest.py": CONFTESTS[row]})

    assert result.exit_code in (2, 3), result.out + result.err
    assert result.health["status"] != "healthy"


def test_a_broken_conftest_leaves_an_unknown_report(run: Health) -> None:
    assert run(GOOD).health["status"] == "healthy"

    result = run(GOOD, files={"conftest.py": "import not_there\n"})

    assert result.exit_code != 0
    assert result.health["status"] == "unknown"


@pytest.mark.parametrize(
    "end",
    [
        "os._exit(0)",
        "os._exit(1)",
        "import posix; posix._exit(0)",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "os.kill(os.getpid(), signal.SIGTERM)",
    ],
)
def test_a_process_that_ends_in_the_middle_leaves_an_unknown_report(run: Health, end: str) -> None:
    assert run(GOOD).health["status"] == "healthy"

    result = run(GOOD + check(end))

    assert result.exit_code not in (0, 1, 2)
    assert result.health["status"] == "unknown"
    killed = "os.kill" in end
    (reason,) = result.health["reasons"]
    assert reason == "run did not finish" if killed else "ended pytest before there was" in reason


@pytest.mark.parametrize(
    "source",
    [
        "raise SystemExit(0)",
        "import os; os._exit(0)",
        "def pytest_cmdline_main(config):\n    return 0",
    ],
)
def test_a_conftest_that_ends_the_process_is_never_healthy(run: Health, source: str) -> None:
    result = run(GOOD, files={"conftest.py": source})

    assert result.exit_code == 3
    assert result.health["status"] == "unknown"


def test_a_part_of_the_plugin_that_is_switched_off_is_a_usage_error(run: Health) -> None:
    for part in ("runner", "recorder", "blocker", "timeouts"):
        assert run(GOOD, "-p", f"no:flowhealth-{part}").exit_code == 4


def test_a_forked_child_that_falls_through_does_not_speak_for_the_run(run: Health) -> None:
    fork = "if os.fork() == 0:\n    time.sleep(1)\nelse:\n    assert 0"

    result = run(check(fork))
    time.sleep(3)

    assert result.exit_code == 2
    assert "HEALTHY  app" not in result.out.replace("UNHEALTHY", "")
    assert run(check(fork), "-q").health["status"] == "unhealthy"


def test_a_check_cannot_turn_the_process_into_another_one(run: Health) -> None:
    assert run(check("os.execv('/bin/true', ['true'])")).exit_code == 2


def test_what_runs_at_the_interpreters_end_cannot_better_the_exit_code(run: Health) -> None:
    source = "import atexit\natexit.register(lambda: os._exit(0))\n"

    assert run(source + check("assert 0")).exit_code == 2
    assert run(source + GOOD).exit_code == 0


def test_two_runs_in_a_row_leave_the_last_verdict(run: Health) -> None:
    assert run(check("assert 0")).exit_code == 2
    assert run(GOOD).health["status"] == "healthy"


@pytest.mark.parametrize(
    "option", ["--collect-only", "--setup-only", "--setup-plan", "--maxfail=1"]
)
def test_an_option_that_keeps_checks_from_running_gives_no_green(run: Health, option: str) -> None:
    result = run(check("assert 0", name="bad") + GOOD, option)

    assert result.exit_code in (2, 3), result.out
    assert result.health["status"] in ("unhealthy", "unknown")


def test_what_the_user_left_out_is_no_fault(run: Health) -> None:
    result = run(GOOD + check("assert 0", name="bad"), "-k", "good")

    assert result.exit_code == 0
    assert result.health["deselected"] == 1


def test_everything_left_out_is_unknown(run: Health) -> None:
    result = run(GOOD, "-k", "nothing_is_called_so")

    assert result.exit_code == 3
    assert result.health["reasons"] == ["no check was run"]


def test_degraded_can_be_allowed(run: Health) -> None:
    result = run(check("health.warn('mind')"), "--health-allow", "degraded")

    assert result.exit_code == 0
    assert result.health["status"] == "degraded"
    assert run(check("assert 0"), "--health-allow", "degraded").exit_code == 2


def test_questions_about_pytest_are_no_run(run: Health) -> None:
    assert run(GOOD).health["status"] == "healthy"
    for option in ("--help", "--version", "--markers", "--fixtures"):
        assert run(GOOD, option).exit_code == 0
    assert run(GOOD, "--help").health["status"] == "healthy"


def test_the_verdict_stands_without_pytest_json_report(run: Health) -> None:
    assert run(GOOD, "-p", "no:pytest_jsonreport").exit_code == 0
    assert run(check("assert 0"), "-p", "no:pytest_jsonreport").exit_code == 2
    assert run(GOOD, "--json-report", "--json-report-file=other.json").exit_code == 0

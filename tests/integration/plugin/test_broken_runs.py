"""Whatever keeps a check from reporting is never healthy: errors, ends of the process, plugins, options."""

from pathlib import Path

import pytest

from tests.kit.runs import RunChecks

CHECK = "@pytest.mark.health('app')\ndef test_it():\n    "
GOOD = "@pytest.mark.health('app')\ndef test_good():\n    pass\n"
OLD = {".flowhealth/report.json": '{"health": {"status": "healthy"}}'}

RUNS = {
    "an import error": ("import not_there\n" + GOOD, 3, "could not collect"),
    "a syntax error": ("def (\n", 3, "could not collect"),
    "nothing collected": ("", 3, "no check was run"),
    "no check among the tests": ("def test_plain():\n    pass\n", 3, "no check was run"),
    "every check skipped": (CHECK + "pytest.skip('n/a')", 3, "every check was skipped"),
    "pytest.exit with 0": (GOOD + CHECK + "pytest.exit('bye', returncode=0)", 3, "never reported"),
    "pytest.exit with 1": (GOOD + CHECK + "pytest.exit('bye', returncode=1)", 3, "never reported"),
    "KeyboardInterrupt": (GOOD + CHECK + "raise KeyboardInterrupt", 3, "never reported"),
    "a plain test fails": (
        GOOD + "def test_plain():\n    assert 0\n",
        2,
        "which is not a check, failed",
    ),
    "SystemExit at import": (GOOD + "raise SystemExit(0)\n", 3, "SystemExit"),
    "pytest.exit at import": (GOOD + "pytest.exit('bye', returncode=0)\n", 3, "bye"),
    "a skip at import": (
        "pytest.skip('not here', allow_module_level=True)\n",
        3,
        "skipped itself whole, so its checks did not report: not here",
    ),
    "os.execv": (CHECK + "os.execv('/bin/true', ['true'])", 2, "os.execv in a check would end"),
    "os.execve": (CHECK + "os.execve('/bin/true', ['true'], {})", 2, "os.execve in a check"),
}


@pytest.mark.parametrize("case", RUNS)
def test_what_keeps_a_run_from_reporting_is_never_healthy(run_checks: RunChecks, case: str) -> None:
    source, exit_code, reason = RUNS[case]

    result = run_checks(source, files=OLD)

    assert result.exit_code == result.health["exit_code"] == exit_code, result.text
    assert any(reason in text for text in result.reasons), result.reasons


FIRST = "import pytest\n@pytest.hookimpl(tryfirst=True)\n"
CONFTESTS = {
    "exit while the session ends": "def pytest_sessionfinish():\n    pytest.exit('x', returncode=0)",
    "error while the session ends": "def pytest_sessionfinish():\n    raise OSError('boom')",
    "exit code of the session": "def pytest_sessionfinish(session):\n    session.exitstatus = 7",
    "error at the very end": "def pytest_unconfigure(config):\n    raise OSError('boom')",
    "error in a report hook": "def pytest_runtest_logreport(report):\n    raise OSError('boom')",
    "items dropped in silence": "def pytest_collection_modifyitems(items):\n    del items[1:]",
    "items dropped before the loop": "def pytest_runtestloop(session):\n    del session.items[1:]",
    "a loop that does nothing": "def pytest_runtestloop(session):\n    return True",
    "a protocol that does nothing": "def pytest_runtest_protocol(item):\n    return True",
    "a call that does nothing": "def pytest_pyfunc_call():\n    return True",
    "another function in its place": (
        "def pytest_collection_modifyitems(items):\n    items[0].obj = lambda: None"
    ),
    "another function at the set-up": "def pytest_runtest_setup(item):\n    item.obj = lambda: None",
    "exit while collecting": (
        "def pytest_collection_modifyitems():\n    pytest.exit('x', returncode=0)"
    ),
    "exit at the start": "def pytest_sessionstart():\n    pytest.exit('x', returncode=0)",
}


@pytest.mark.parametrize("case", CONFTESTS)
def test_a_plugin_that_interferes_cannot_make_a_run_healthy(
    run_checks: RunChecks, case: str
) -> None:
    two = GOOD + CHECK + "assert True"

    result = run_checks(two, files={**OLD, "conftest.py": FIRST + CONFTESTS[case]})

    assert result.exit_code == 3, result.text
    assert result.health["status"] == "unknown"


@pytest.mark.parametrize(
    ("end", "exit_code", "reason"),
    [
        ("os._exit(0)", 3, "os._exit(0) ended pytest before there was a verdict"),
        ("os._exit(1)", 3, "os._exit(1) ended pytest before there was a verdict"),
        ("__import__('posix')._exit(0)", 3, "os._exit(0) ended pytest before there was a verdict"),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9, "run did not finish"),
        ("os.kill(os.getpid(), signal.SIGTERM)", -15, "run did not finish"),
    ],
)
def test_a_process_that_ends_in_the_middle_leaves_an_unknown_report(
    run_checks: RunChecks, end: str, exit_code: int, reason: str
) -> None:
    result = run_checks(GOOD + CHECK + end, files=OLD)

    assert (result.exit_code, result.health["status"]) == (exit_code, "unknown")
    assert result.reasons == [reason]


SWALLOWS = """
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
"""


def test_a_timeout_that_is_swallowed_again_and_again_ends_the_run(run_checks: RunChecks) -> None:
    conftest = "from pytest_flowhealth.plugin.execution import timeouts\ntimeouts._GRACE = 0.2\n"
    source = f"@pytest.mark.health('app', timeout=0.5)\ndef test_it():{SWALLOWS}"

    result = run_checks(GOOD + source, files={**OLD, "conftest.py": conftest})

    assert (result.exit_code, result.health["status"]) == (3, "unknown")
    assert "app.it caught its timeout again and again" in result.err


def test_a_forked_child_that_falls_through_does_not_speak_for_the_run(
    run_checks: RunChecks,
) -> None:
    fork = (
        "child = os.fork()\n    if child:\n        _, status = os.waitpid(child, 0)\n"
        "        assert 0, f'the child ended with {os.waitstatus_to_exitcode(status)}'"
    )

    result = run_checks(CHECK + fork)

    assert result.reasons == ["app.it: the child ended with 3"]
    assert result.out.count("HEALTHY  app") == 1
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("conftest", "exit_code", "reason"),
    [
        ("def (", 3, "SyntaxError"),
        ("import nothere", 3, "No module named 'nothere'"),
        ("raise RuntimeError('\\x1b[31mred')", 3, "RuntimeError: \\x1b[31mred"),
        ("raise SystemExit(0)", 3, "ended the process with exit code 0"),
        ("import os; os._exit(0)", 3, "os._exit(0) ended pytest"),
        ("def pytest_addoption(parser): parser.addoption('--health')", 3, "--health"),
        ("def pytest_cmdline_main(config): return 0", 3, "nothing was run"),
    ],
)
def test_a_conftest_that_cannot_be_used_is_the_reason(
    run_checks: RunChecks, conftest: str, exit_code: int, reason: str
) -> None:
    result = run_checks(GOOD, files={**OLD, "conftest.py": conftest})

    assert (result.exit_code, result.health["status"]) == (exit_code, "unknown")
    assert reason in result.err
    assert reason in result.reasons[0]
    assert "\x1b" not in result.text


def test_what_runs_at_the_end_of_the_interpreter_cannot_improve_the_exit_code(
    run_checks: RunChecks,
) -> None:
    at_end = "import atexit\natexit.register(lambda: os._exit(0))\n"

    assert run_checks(at_end + CHECK + "assert 0").exit_code == 2
    assert run_checks(at_end + GOOD).exit_code == 0


@pytest.mark.parametrize(
    "option", ["--collect-only", "--setup-only", "--setup-plan", "--maxfail=1"]
)
def test_an_option_that_keeps_checks_from_running_gives_no_green_result(
    run_checks: RunChecks, option: str
) -> None:
    result = run_checks(CHECK + "assert 0\n" + GOOD, option, files=OLD)

    assert result.exit_code in (2, 3), result.text
    assert result.health["status"] in ("unhealthy", "unknown")


def test_what_the_user_left_out_is_no_fault_unless_it_is_everything(run_checks: RunChecks) -> None:
    part = run_checks(GOOD + CHECK + "assert 0", "-k", "good")
    nothing = run_checks(GOOD, "-k", "nothing_is_called_so")

    assert (part.exit_code, part.health["deselected"]) == (0, 1)
    assert (nothing.exit_code, nothing.reasons) == (3, ["no check was run"])


@pytest.mark.parametrize(
    "selection",
    [
        *["-k good", "-m 'not health'", "--deselect=test_checks.py", "--ignore-glob=*.py"],
        *["--collect-only", "--fixtures", "--setup-plan", "-k good -n 2"],
    ],
)
def test_what_the_settings_leave_out_of_the_projects_tests_is_checked_all_the_same(
    run_checks: RunChecks, selection: str
) -> None:
    files = {**OLD, "pytest.ini": f"[pytest]\naddopts = {selection}\n"}

    result = run_checks(GOOD + CHECK + "assert 0, 'down'", files=files)

    assert result.exit_code == 2, result.text
    assert result.outcomes == {"app.good": "pass", "app.it": "fail"}


def test_what_was_left_out_by_the_last_failures_is_counted(run_checks: RunChecks) -> None:
    cache = {".pytest_cache/v/cache/lastfailed": '{"health/test_a.py::test_a": true}'}
    files = {f"health/test_{name}.py": f"import pytest\n{GOOD}" for name in "ab"}
    files = {name: text.replace("good", name[-4]) for name, text in files.items()}

    result = run_checks("", "--lf", "-p", "cacheprovider", files=cache | files, path=("health",))

    assert (result.exit_code, result.outcomes) == (0, {"app.a": "pass"}), result.text
    assert result.health["deselected"] == 1


def test_a_question_about_pytest_is_no_run_and_leaves_the_report(run_checks: RunChecks) -> None:
    report = run_checks(GOOD).report

    for option in ("--help", "--version", "--markers", "--fixtures"):
        result = run_checks(GOOD, option)
        assert (result.exit_code, result.report) == (0, report)


def test_the_verdict_does_not_depend_on_pytest_json_report(run_checks: RunChecks) -> None:
    assert run_checks(GOOD, "-p", "no:pytest_jsonreport").exit_code == 0
    assert run_checks(CHECK + "assert 0", "-p", "no:pytest_jsonreport").exit_code == 2
    assert run_checks(GOOD, "--json-report", "--json-report-file=other.json").exit_code == 0


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        *[
            (f"flowhealth-{part}", "takes a part out of the verdict")
            for part in ("runner", "recorder", "blockers", "timeouts")
        ],
        ("timeout", "pytest-timeout is switched off"),
    ],
)
def test_a_plugin_that_the_verdict_needs_cannot_be_switched_off(
    run_checks: RunChecks, part: str, reason: str
) -> None:
    result = run_checks(GOOD, "-p", f"no:{part}", files=OLD)

    assert (result.exit_code, result.health["status"]) == (4, "unknown")
    assert reason in result.err


@pytest.mark.parametrize("plugin", ["warnings", "threadexception", "unraisableexception"])
def test_an_error_in_a_thread_counts_without_a_plugin_of_pytest(
    run_checks: RunChecks, plugin: str
) -> None:
    body = "import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()"

    result = run_checks(CHECK + body, "-p", f"no:{plugin}", unguarded=True)

    assert result.exit_code == 3
    assert "ZeroDivisionError" in result.reasons[0]


@pytest.mark.parametrize(("body", "code"), [("pass", 0), ("assert 0", 2)])
def test_the_verdict_does_not_depend_on_a_terminal(
    run_checks: RunChecks, body: str, code: int
) -> None:
    assert run_checks(CHECK + body, "-p", "no:terminal").exit_code == code


HELPER = "def require(): assert (1 == 2, 'down')\n"
FIXTURE = "import pytest\n@pytest.fixture\ndef thing(): assert (1 == 2, 'down')\n"


def test_an_assertion_on_a_tuple_beside_the_checks_counts_at_every_run(
    run_checks: RunChecks,
) -> None:
    source = "from helper import require\n" + CHECK + "require()"
    for _ in range(2):  # the second from compiled files, for which Python warns of nothing
        result = run_checks(source, files={"helper.py": HELPER, "conftest.py": FIXTURE})

        assert result.exit_code == 3
        assert {text.partition(":")[0] for text in result.reasons} == {"helper.py", "conftest.py"}


CASE = "import unittest\nclass TestIt(unittest.TestCase):\n"
UP = "    @pytest.mark.health('app')\n    def test_it(self): {}\n"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (CASE + "    def setUp(self): raise OSError('gone')\n" + UP, "its body never ran: OSError"),
        (
            CASE + "    def tearDown(self): raise OSError('gone')\n" + UP,
            "its tear-down failed: OSE",
        ),
        ("@pytest.mark.health('app')\nasync def test_it(): assert 0\n", "its body never ran"),
    ],
    ids=["setUp", "tearDown", "async without a plugin"],
)
def test_a_failure_outside_the_body_is_unknown(
    run_checks: RunChecks, source: str, words: str
) -> None:
    result = run_checks(source.format("pass"))

    assert result.exit_code == 3
    assert words in result.check("app.it")["message"]


@pytest.mark.parametrize(("subjects", "code"), [("[1]", 0), ("[]", 3)])
def test_subtests_of_unittest_that_never_ran_are_unknown(
    run_checks: RunChecks, subjects: str, code: int
) -> None:
    body = f"\n        for one in {subjects}:\n            with self.subTest(one): pass"

    assert run_checks(CASE + UP.format(body)).exit_code == code


def test_checks_of_a_module_that_is_given_by_name_are_compared_too(
    run_checks: RunChecks, tmp_path: Path
) -> None:
    source = GOOD + "@pytest.mark.health('app')\ndef up(): pass\n"

    result = run_checks(source, path=("--pyargs", "test_checks"), env={"PYTHONPATH": str(tmp_path)})

    assert result.exit_code == 3
    assert "its name matches none of python_functions" in result.reasons[0]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (
            "mark = getattr(pytest.mark, 'he' + 'alth')\n@mark('app')\ndef up(): pass\n",
            "the check up was not collected: its name matches none of python_functions",
        ),
        (
            "class Base:\n    def __init__(self): pass\n"
            "class TestIt(Base):\n    @pytest.mark.health('app')\n    def test_up(self): pass\n",
            "the class TestIt has, or inherits, a method __init__",
        ),
    ],
    ids=["a marker that only running the file tells", "an inherited __init__"],
)
def test_checks_that_were_imported_and_not_collected_are_named(
    run_checks: RunChecks, source: str, why: str
) -> None:
    result = run_checks(GOOD + source)

    assert result.exit_code == 3
    assert why in result.reasons[0]


def test_a_check_that_closes_the_standard_streams_is_never_degraded(run_checks: RunChecks) -> None:
    result = run_checks(CHECK + "sys.stdout.close(); sys.__stdout__.close()", unguarded=True)

    assert result.exit_code in (2, 3)
    assert result.health["exit_code"] == result.exit_code


RETRIES = """
import pytest
@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and call.excinfo:
        report.outcome = "retried"
        item.ihook.pytest_runtest_logreport(report=report)
        item._initrequest()
        pytest.CallInfo.from_call(lambda: item.ihook.pytest_runtest_setup(item=item), when="setup")
        again = pytest.CallInfo.from_call(
            lambda: item.ihook.pytest_runtest_call(item=item), when="call")
        second = pytest.TestReport.from_item_and_call(item, again)
        report.outcome, report.longrepr = second.outcome, second.longrepr
    return report
"""


@pytest.mark.parametrize(("needed", "code"), [(2, 1), (3, 2)])
def test_a_plugin_that_runs_a_check_again_while_it_reports_makes_an_attempt(
    run_checks: RunChecks, needed: int, code: int
) -> None:
    # As pytest-retry does.
    source = "RUNS = []\n" + CHECK + f"RUNS.append(1)\n    assert len(RUNS) >= {needed}"

    result = run_checks(source, files={"conftest.py": RETRIES})

    assert result.exit_code == code
    assert result.check("app.it")["attempts"] == 2

"""Every way in which a check can end, in one run of the command; and one run for each exit code."""

import textwrap

import pytest

from tests.kit.runs import Run, RunChecks, run_checks_in

WAIVE = "@pytest.mark.waive(until='2999-12-31', reason='ticket 7')"
WAIVED = "(waived until 2999-12-31: ticket 7)"
LIMIT = "@pytest.mark.threshold('x', warn=5, fail=9, unit='ms')"
SHORT = "@pytest.mark.health('app', timeout=0.5)"
MINOR = "@pytest.mark.health('app', critical=False)"

# By the check's name: its markers, fixtures and body; its outcome; words of its message.
CHECKS = {
    "passes": ("pass", "pass", ""),
    "within_its_limits": (f"{LIMIT}\nhealth.measure('x', 5, 'ms')", "pass", ""),
    "past_warn": (f"{LIMIT}\nhealth.measure('x', 6, 'ms')", "warn", "x 6 ms, warns above 5 ms"),
    "past_fail": (f"{LIMIT}\nhealth.measure('x', 0.01, 's')", "fail", "x 10 ms, fails above 9 ms"),
    "warns": ("health.warn('mind')", "warn", "mind"),
    "xfail": ("@pytest.mark.xfail(reason='known')\nassert 0", "warn", "known"),
    "xfail_not_run": ("@pytest.mark.xfail(reason='known', run=False)\nassert 0", "warn", "known"),
    "imperative_xfail": ("pytest.xfail('known')", "warn", "known"),
    "strict_xfail_that_passes": (
        "@pytest.mark.xfail(strict=True, reason='old bug')\npass",
        "fail",
        "[XPASS(strict)] old bug",
    ),
    "xfail_by_a_threshold": (
        f"@pytest.mark.xfail(reason='known')\n{LIMIT}\nhealth.measure('x', 10, 'ms')",
        "warn",
        "x 10 ms",
    ),
    "assertion": ("assert 1 == 2", "fail", "1 == 2"),
    "exception": ("1 / 0", "fail", "ZeroDivisionError: division by zero (test_checks.py:"),
    "SystemExit": ("sys.exit(0)", "fail", "SystemExit: 0"),
    "minor_failure": (f"{MINOR}\nassert 0", "fail", "assert 0"),
    "minor_unknown": (f"{MINOR}\n{LIMIT}\npass", "unknown", "x was not measured"),
    "timeout": (f"{SHORT}\ntime.sleep(30)", "fail", "no end within its timeout of 0.5 s"),
    "timeout_in_set_up": (f"{SHORT}\n#slow\npass", "fail", "no end within its timeout of 0.5 s"),
    "timeout_swallowed": (
        f"{SHORT}\ntry:\n    time.sleep(30)\nexcept BaseException:\n    pass",
        "fail",
        "no end within its timeout of 0.5 s",
    ),
    "never_measured": (f"{LIMIT}\npass", "unknown", "x was not measured"),
    "NaN": (
        f"{LIMIT}\nhealth.measure('x', math.nan, 'ms')",
        "unknown",
        "x has no value: it is NaN",
    ),
    "other_kind_of_unit": (
        f"{LIMIT}\nhealth.measure('x', 1, 'B')",
        "unknown",
        "x was measured in B, its limits are in ms",
    ),
    "set_up_error": ("#bad\npass", "unknown", "its set-up failed: OSError: gone"),
    "no_such_fixture": ("#nowhere\npass", "unknown", "fixture 'nowhere' not found"),
    "tear_down_error": ("#late\npass", "unknown", "its tear-down failed: OSError: gone"),
    "failing_subtest": (
        "#subtests\nwith subtests.test('a'):\n    assert 0\nwith subtests.test('b'):\n    pass",
        "fail",
        "assert 0",
    ),
    "passing_subtests": ("#subtests\nwith subtests.test('a'):\n    pass", "pass", ""),
    "skip": ("pytest.skip('no Redis here')", "skip", "no Redis here"),
    "not_applicable": ("health.not_applicable('no Redis here')", "skip", "no Redis here"),
    "skip_without_a_reason": ("pytest.skip()", "unknown", "skipped without a reason"),
    "bad_figure_and_then_a_skip": (
        f"{LIMIT}\nhealth.measure('x', 10, 'ms')\npytest.skip('n/a')",
        "fail",
        "x 10 ms",
    ),
    "waived": (f"{WAIVE}\nassert 0", "warn", WAIVED),
    "waived_by_a_threshold": (f"{WAIVE}\n{LIMIT}\nhealth.measure('x', 10, 'ms')", "warn", WAIVED),
    "waiver_over": (
        f"{WAIVE.replace('2999', '2000')}\nassert 0",
        "fail",
        "(its waiver ended on 2000-12-31)",
    ),
    "waiver_not_needed": (f"{WAIVE}\npass", "pass", "is not needed"),
    "waiver_does_not_cover_unknown": (f"{WAIVE}\n{LIMIT}\npass", "unknown", "x was not measured"),
    "returns_False": ("return False", "unknown", "return"),
    "measured_twice": ("health.measure('x', 1, 'ms')\n" * 2, "fail", "x was measured twice"),
    "CheckFailed": (
        "from pytest_flowhealth import CheckFailed\nraise CheckFailed('down')",
        "fail",
        "down",
    ),
    "MeasurementUnavailable": (
        "from pytest_flowhealth import MeasurementUnavailable\nraise MeasurementUnavailable('cannot look')",
        "unknown",
        "cannot look",
    ),
    "coroutine_never_awaited": ("", "unknown", "was never awaited"),
    "thread_that_fails": (
        "import threading\ndef work(): raise ValueError('in a thread')\n"
        "thread = threading.Thread(target=work)\nthread.start()\nthread.join()",
        "unknown",
        "ValueError: in a thread",
    ),
    "method": ("", "pass", ""),
    "unittest": ("", "pass", ""),
    "unittest_coroutine": ("", "pass", ""),
}
FIXTURES_AND_CLASSES = """
import unittest
@pytest.fixture
def slow(): time.sleep(30)
@pytest.fixture
def bad(): raise OSError('gone')
@pytest.fixture
def late():
    yield
    raise OSError('gone')

class TestCase(unittest.TestCase):
    @pytest.mark.health('app')
    async def test_coroutine_never_awaited(self): assert 0
    @pytest.mark.health('app')
    def test_unittest(self): self.assertTrue(True)

class TestLater(unittest.IsolatedAsyncioTestCase):
    @pytest.mark.health('app')
    async def test_unittest_coroutine(self): self.assertTrue(True)

@pytest.mark.health('app')
class TestClass:
    def test_method(self): self.seen = True
"""


def check(name: str, body: str) -> str:
    """Return the source of a check; lines that begin with @ are markers, #NAME is a fixture."""
    lines = body.splitlines()
    markers = [line for line in lines if line.startswith("@")]
    markers += [] if "pytest.mark.health(" in body else ["@pytest.mark.health('app')"]
    fixtures = [line[1:] for line in lines if line.startswith("#")]
    rest = "\n".join(line for line in lines if line[0] not in "@#")
    head = f"def test_{name}({', '.join(['health', *fixtures])}):"
    return "\n".join([*markers, head, textwrap.indent(rest, "    "), ""])


@pytest.fixture(
    scope="module",
    params=[{}, {"pytest.ini": "[pytest]\nfilterwarnings = ignore\n"}],
    ids=["plain", "warnings ignored"],
)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run every check in one file, once also where the target ignores all warnings."""
    source = "".join(check(name, body) for name, (body, _, _) in CHECKS.items() if body)
    folder = tmp_path_factory.mktemp("endings")
    return run_checks_in(folder, FIXTURES_AND_CLASSES + source, files=request.param)


def test_each_way_to_end_has_its_outcome_and_says_why(run: Run) -> None:
    assert run.outcomes == {f"app.{name}": outcome for name, (_, outcome, _) in CHECKS.items()}
    for name, (_, _, words) in CHECKS.items():
        assert words in run.check(f"app.{name}")["message"], name
    assert run.exit_code == run.health["exit_code"] == 2


@pytest.mark.parametrize(
    ("name", "exit_code"),
    [
        *[("passes", 0), ("past_warn", 1), ("xfail", 1), ("waived", 1), ("minor_failure", 1)],
        *[("minor_unknown", 1), ("past_fail", 2), ("SystemExit", 2), ("never_measured", 3)],
        *[("tear_down_error", 3), ("returns_False", 3), ("skip", 3)],
    ],
)
def test_the_outcome_of_the_only_check_gives_the_exit_code(
    run_checks: RunChecks, name: str, exit_code: int
) -> None:
    body, outcome, _ = CHECKS[name]

    result = run_checks(FIXTURES_AND_CLASSES.partition("class")[0] + check(name, body))

    assert (result.outcomes, result.exit_code) == ({f"app.{name}": outcome}, exit_code)
    assert result.health["exit_code"] == exit_code


@pytest.mark.parametrize(
    ("name", "status", "exit_code"), [("warns", "degraded", 0), ("assertion", "unhealthy", 2)]
)
def test_only_degraded_can_be_allowed_and_the_report_still_says_it(
    run_checks: RunChecks, name: str, status: str, exit_code: int
) -> None:
    result = run_checks(check(name, CHECKS[name][0]), "--health-allow", "degraded")

    assert (result.health["status"], result.exit_code) == (status, exit_code)

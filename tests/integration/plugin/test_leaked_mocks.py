"""What a check has replaced in the standard library and left behind changes neither report nor exit code."""

import pytest

from tests.kit.runs import RunChecks

CHECK = "import builtins, datetime, pathlib, platform, tempfile\n@pytest.mark.health('app')\n"
MOCKS = (
    *("time.time = lambda: 0", "time.monotonic = lambda: 1 / 0", "os.replace = lambda *a: None"),
    *("os.getpid = lambda: 1", "os.open = lambda *a, **k: 1 / 0", "os.fsync = lambda *a: 1 / 0"),
    *("builtins.open = lambda *a, **k: 1 / 0", "builtins.print = None", "os.environ = {}"),
    *("datetime.datetime = None", "pathlib.Path.write_bytes = lambda *a: None"),
    *("platform.node = lambda: 1 / 0", "tempfile.mkstemp = lambda *a, **k: 1 / 0"),
)


@pytest.mark.parametrize("mock", MOCKS)
def test_a_mock_that_is_left_behind_changes_nothing(run_checks: RunChecks, mock: str) -> None:
    down = "@pytest.mark.health('app')\ndef test_down():\n    assert 0, 'down'\n"

    result = run_checks(f"{CHECK}def test_it():\n    {mock}\n{down}")

    assert (result.exit_code, result.health["exit_code"]) == (2, 2), result.text
    assert result.outcomes == {"app.it": "pass", "app.down": "fail"}
    assert len(result.reasons) == 1


@pytest.mark.parametrize("mock", ["os.stat = lambda *a, **k: 1 / 0", "builtins.str = None"])
def test_a_mock_that_ends_pytest_is_never_degraded(run_checks: RunChecks, mock: str) -> None:
    result = run_checks(f"{CHECK}def test_it():\n    {mock}\n    assert 0\n", unguarded=True)

    assert result.exit_code in (2, 3)
    assert result.health["exit_code"] == result.exit_code


STOPS_THE_CLOCK = """
    real = datetime.datetime
    class Frozen(real):
        @classmethod
        def now(cls, tz=None): return real(2001, 1, 1, tzinfo=tz)
    for module in [*sys.modules.values()]:
        for name, value in [*vars(module).items()]:
            if value is real: setattr(module, name, Frozen)
"""


def test_a_clock_that_a_check_leaves_behind_prolongs_no_waiver(run_checks: RunChecks) -> None:
    # As freezegun stops it.
    waive = "@pytest.mark.waive(until='2001-12-31', reason='ticket 7')\n"

    result = run_checks(f"{CHECK}{waive}def test_it():{STOPS_THE_CLOCK}    assert 0, 'down'\n")

    assert result.exit_code == 2
    assert "its waiver ended on 2001-12-31" in result.check("app.it")["message"]


@pytest.mark.parametrize("limit", ["of the check", "of the settings"])
def test_a_time_limit_of_faulthandler_is_unknown(run_checks: RunChecks, limit: str) -> None:
    own = limit == "of the check"
    source = "import faulthandler\n" + CHECK + "def test_it():\n"
    source += (
        "    faulthandler.dump_traceback_later(0.2, exit=True)\n" * own + "    time.sleep(9)\n"
    )
    settings = "[pytest]\nfaulthandler_timeout = 0.2\nfaulthandler_exit_on_timeout = true\n"

    result = run_checks(source, files={} if own else {"pytest.ini": settings}, unguarded=True)

    assert (result.exit_code, result.health["status"]) == (3, "unknown")

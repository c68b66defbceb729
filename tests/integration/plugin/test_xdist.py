"""Under pytest-xdist: the same verdict, lost workers, and what cannot be serialised."""

import pytest

from tests.kit.runs import RunChecks

FINE = """
@pytest.mark.health("app")
@pytest.mark.parametrize("number", range(6))
@pytest.mark.threshold("x", warn=5, fail=9, unit="ms")
def test_fine(health, number):
    health.measure("x", [number / 2] * 5, "ms")
    health.detail(number=number)
"""
ODD = """
class Odd:
    def __repr__(self):
        raise ValueError

@pytest.mark.health("app")
def test_odd(health):
    import logging
    health.detail(odd=Odd(), lock=object, infinite=math.inf, nested={1: [object]})
    logging.getLogger().warning("x", extra={"thing": object(), "lock": logging})
"""


def test_the_verdict_is_the_same_with_what_cannot_be_serialised_as_text(
    run_checks: RunChecks,
) -> None:
    alone, shared = run_checks(FINE + ODD), run_checks(FINE + ODD, "-n", "2")

    assert alone.exit_code == shared.exit_code == 0
    assert shared.outcomes == alone.outcomes
    assert shared.health["components"] == alone.health["components"]
    assert shared.check("app.fine[3]")["measurements"][0]["stats"]["median"] == 1.5
    assert shared.check("app.odd")["details"] == alone.check("app.odd")["details"]
    assert shared.check("app.odd")["details"]["odd"] == "<Odd>"


def test_a_log_record_that_cannot_be_serialised_harms_no_report_of_another_plugin(
    run_checks: RunChecks,
) -> None:
    result = run_checks(ODD, "-n", "1", "--json-report", "--json-report-omit", "log")

    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("end", "options"),
    [("os._exit(0)", ()), ("os.kill(os.getpid(), signal.SIGKILL)", ("--max-worker-restart=0",))],
    ids=["_exit", "killed, not replaced"],
)
def test_a_lost_worker_is_never_healthy(
    run_checks: RunChecks, end: str, options: tuple[str, ...]
) -> None:
    lost = f"@pytest.mark.health('app')\ndef test_end():\n    {end}\n"

    result = run_checks(FINE + lost, "-n", "2", *options)

    assert result.exit_code in (2, 3), result.out
    assert result.health["status"] in ("unhealthy", "unknown")
    assert any("crashed" in reason or "was lost" in reason for reason in result.reasons)


def test_a_run_that_loses_all_workers_while_collecting_is_not_healthy(
    run_checks: RunChecks,
) -> None:
    result = run_checks(FINE + "os._exit(0)\n", "-n", "2", "--max-worker-restart=0")

    assert result.exit_code in (2, 3), result.text
    assert result.health["status"] != "healthy"


@pytest.mark.parametrize("health", [True, False])
def test_a_file_that_a_worker_cannot_import_is_a_reason(
    run_checks: RunChecks, health: bool
) -> None:
    files = {"test_bad.py": "import not_there\n"}

    result = run_checks(
        FINE, "-n", "1", health=health, files=files, path=("test_checks.py", "test_bad.py")
    )

    assert result.exit_code == 3, result.out
    assert "could not collect test_bad.py" in result.reasons[0]


ENDINGS = {
    "passes": ("", "pass"),
    "fails": ("", "assert 0"),
    "is_minor": (", critical=False", "assert 0"),
    "skips": ("", "pytest.skip('not here')"),
    "is_unknown": ("", "raise MeasurementUnavailable('no answer')"),
    "is_expected": ("", "pytest.xfail('known')"),
    "is_blocked": (", requires='base.fails'", "pass"),
}
"""How a requirement ends: further arguments of its marker, and its body."""

FOLLOWERS = "".join(
    f"""
@pytest.mark.health("next", requires="base.{name}")
def test_{name}():
    {body}
@pytest.mark.health("last", requires="next.{name}")
def test_last_{name}():
    pass
"""
    for name in ENDINGS
    for body in ["pass" if name != "is_unknown" else "assert 0"]
)
REQUIREMENTS = "from pytest_flowhealth import MeasurementUnavailable\n" + "".join(
    f"@pytest.mark.health('base'{more})\ndef test_{name}():\n    {body}\n"
    for name, (more, body) in ENDINGS.items()
)


@pytest.mark.parametrize("dist", ["loadfile", "worksteal"])
def test_a_requirement_that_another_worker_ran_counts_as_in_one_process(
    run_checks: RunChecks, dist: str
) -> None:
    files = {"test_base.py": f"import pytest\n{REQUIREMENTS}"}
    path = ("test_checks.py", "test_base.py")

    alone = run_checks(FOLLOWERS, files=files, path=path)
    shared = run_checks(FOLLOWERS, "-n", "2", f"--dist={dist}", files=files, path=path)

    assert (shared.exit_code, shared.outcomes) == (alone.exit_code, alone.outcomes)
    assert shared.blocked == alone.blocked
    assert alone.blocked["last.last_is_blocked"] == "base.fails"


def test_a_run_in_which_only_a_skipped_requirement_blocks_the_rest_is_unknown(
    run_checks: RunChecks,
) -> None:
    skips = "import pytest\n@pytest.mark.health('base')\ndef test_it():\n    pytest.skip('no')\n"
    follows = "@pytest.mark.health('app', requires='base.it')\ndef test_it():\n    pass\n"

    result = run_checks(
        follows,
        *("-n", "2", "--dist=loadfile"),
        files={"test_base.py": skips},
        path=("test_checks.py", "test_base.py"),
    )

    assert (result.exit_code, result.reasons) == (3, ["every check was skipped"])


def test_of_a_check_that_every_worker_runs_the_worst_result_counts(run_checks: RunChecks) -> None:
    first_fails = (
        "@pytest.mark.health('app')\ndef test_it(worker_id):\n"
        "    if worker_id == 'gw0':\n        assert 0\n"
        "    while not os.path.exists('failed'):\n        time.sleep(0.01)\n"
    )
    conftest = (
        "def pytest_runtest_logreport(report):\n"
        "    if report.failed:\n        open('failed', 'w').close()\n"
    )

    result = run_checks(first_fails, "--dist=each", "--tx=2*popen", files={"conftest.py": conftest})

    assert (result.exit_code, result.reasons) == (2, ["app.it: assert 0"])


@pytest.mark.parametrize(
    "conftest",
    [
        "def pytest_collection_modifyitems(items):\n    del items[1:]\n",
        "def pytest_collection_modifyitems(items):\n    items[1] = items[0]\n",
    ],
    ids=["dropped", "replaced"],
)
def test_what_a_hook_drops_in_a_worker_is_missed(run_checks: RunChecks, conftest: str) -> None:
    result = run_checks(FINE, "-n", "2", files={"conftest.py": conftest})

    assert result.exit_code == 3
    assert "test_checks.py::test_fine[1] was collected, but never reported" in result.reasons

"""An ordinary suite pays next to nothing for the plugin."""

from tests.kit.runs import RunChecks

SUITE = """
def test_nothing_of_the_plugin_but_its_hooks_is_imported():
    ours = [name for name in sys.modules if name.startswith("pytest_flowhealth.")]
    assert [name for name in ours if not name.startswith("pytest_flowhealth.plugin")] == []
    heavy = {"psutil", "redis", "requests", "sqlite3", "starlette", "msgspec", "tomllib"}
    assert heavy & set(sys.modules) == set()
"""


def test_an_ordinary_suite_imports_nothing_heavy_and_has_no_report(run_checks: RunChecks) -> None:
    result = run_checks(SUITE, health=False, fresh=True)

    assert result.exit_code == 0, result.out
    assert result.report == {}


def test_the_fixtures_work_in_an_ordinary_test(run_checks: RunChecks) -> None:
    source = """
def test_plain(health, target):
    health.measure("x", 1, "s")
    assert target.name == "app"
"""
    assert run_checks(source, health=False).exit_code == 0

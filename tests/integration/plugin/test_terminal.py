"""What a person reads: verdict first, causes, components, problems, remedies."""

import pytest

from tests.kit.runs import RunChecks

SOURCE = """
@pytest.mark.health("redis", remedy="redis-server --daemonize yes")
def test_connect():
    pytest.fail("no Redis listens at localhost:6379", pytrace=False)

@pytest.mark.health("redis", requires="redis.connect")
def test_ping():
    pass

@pytest.mark.health("system")
@pytest.mark.threshold("memory", warn=85, fail=95, unit="%")
def test_memory(health):
    health.measure("memory", 90, "%")

@pytest.mark.health("build")
def test_artifacts(health):
    health.not_applicable("package.json promises no artifact " + "very " * 30 + "long")
"""
PARTS = [
    "UNHEALTHY  app 1.2.3  4 checks",
    "  - redis.connect: no Redis listens at localhost:6379",
    "  redis   unhealthy",
    "  system  degraded   memory 90 % (warn above 85, fail above 95 %)",
    "FAIL    redis.connect",
    "blocks redis.ping",
    "fix: redis-server --daemonize yes",
    "WARN    system.memory",
    "\nskipped\n",
    "report: .flowhealth/report.json",
]


@pytest.mark.parametrize("columns", [80, 60])
def test_the_verdict_comes_first_then_causes_then_components_then_problems(
    run_checks: RunChecks, columns: int
) -> None:
    out = run_checks(SOURCE, env={"COLUMNS": str(columns)}).out

    assert max(len(line) for line in out.splitlines()) <= columns, out
    assert "\x1b[" not in out
    if columns == 80:
        places = [out.index(part) for part in PARTS]
        assert places == sorted(places), out


def test_colour_is_the_option_of_pytest(run_checks: RunChecks) -> None:
    assert "\x1b[" in run_checks(SOURCE, "--color=yes").out


def test_quiet_shows_less_and_verbose_each_check(run_checks: RunChecks) -> None:
    quiet = run_checks(SOURCE, "-q").out
    quieter = run_checks(SOURCE, "-qq").out
    verbose = run_checks(SOURCE, "-v").out

    assert "fix: redis-server" in quiet
    assert "skipped" not in quiet.replace("4 skipped", "")
    assert len(quieter.strip().splitlines()) == 1
    assert "pass     redis" not in verbose
    assert "fail     redis.connect" in verbose


def test_a_traceback_is_shown_only_where_it_is_asked_for(run_checks: RunChecks) -> None:
    source = "@pytest.mark.health('app')\ndef test_bad():\n    {}['x']\n"
    plain, short = run_checks(source).out, run_checks(source, "--tb=short").out

    assert "KeyError: 'x' (test_checks.py:5)" in plain
    assert "{}['x']" not in plain
    assert "{}['x']" in short


def test_a_failure_without_a_traceback_is_shown_once_and_apart_from_the_verdict(
    run_checks: RunChecks,
) -> None:
    source = """
@pytest.mark.health("app")
def test_bad():
    from pytest_flowhealth import CheckFailed
    raise CheckFailed("the queue is full", remedy="drain it")
"""
    failures, _, verdict = run_checks(source, "-v").out.partition("\n\nUNHEALTHY")

    assert failures.endswith("\nthe queue is full")
    assert failures.count("the queue is full") == 1
    assert verdict


def test_where_to_look_is_shown_beside_a_problem_and_is_no_remedy(run_checks: RunChecks) -> None:
    source = """
@pytest.mark.health("app")
def test_bad():
    from pytest_flowhealth import CheckFailed
    raise CheckFailed("the queue is full", diagnosis="the workers' logs")

@pytest.mark.health("app")
def test_doubtful(health):
    health.detail(diagnosis="redis-cli INFO")
    health.warn("slow")

@pytest.mark.health("app")
def test_good(health):
    health.detail(diagnosis="nowhere")
"""
    out = run_checks(source).out

    assert "see: the workers' logs" in out
    assert "see: redis-cli INFO" in out
    assert "nowhere" not in out
    assert "fix:" not in out


FIGURES = """
@pytest.mark.health("app")
@pytest.mark.threshold("latency.p95", warn=5, fail=50, unit="ms")
@pytest.mark.threshold("rate", warn=100, fail=50, unit="1/s")
@pytest.mark.threshold("absent", warn=1, fail=2)
def test_speed(health):
    health.measure("latency", [1.0] * 19 + [9.0], unit="ms")
    health.measure("rate", 20, unit="1/s")
    health.measure("size", 1234, unit="B")
    health.detail(recommendations=["raise the pool to 8"])
"""


@pytest.mark.parametrize("option", ["-v", "--health-component=app"])
def test_every_figure_is_shown_with_its_limits_where_it_is_asked_for(
    run_checks: RunChecks, option: str
) -> None:
    out = run_checks(FIGURES, option).out

    table = out[out.index("  measured") :].splitlines()
    assert [line.split() for line in table[1:5]] == [
        ["app.latency.p95", "1.4", "ms", ">", "5", ">", "50", "pass"],
        ["app.rate", "20", "1/s", "<", "100", "<", "50", "fail"],
        ["app.absent", "-", ">", "1", ">", "2", "unknown"],
        ["app.size", "1,234", "B"],
    ]
    assert "recommendations\n  - raise the pool to 8" in out


def test_no_table_of_figures_is_shown_otherwise(run_checks: RunChecks) -> None:
    assert "  measured" not in run_checks(FIGURES).out

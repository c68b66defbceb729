"""What a person reads: verdict first, causes, components, problems, remedies."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import Health

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


def test_the_verdict_comes_first_then_causes_then_components_then_problems(run: Health) -> None:
    out = run(SOURCE).out
    order = [
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
    places = [out.index(part) for part in order]
    assert places == sorted(places), out


@pytest.mark.parametrize("columns", ["80", "60"])
def test_it_fits_the_terminal(run: Health, columns: str) -> None:
    out = run(SOURCE, env={"COLUMNS": columns}).out

    assert max(len(line) for line in out.splitlines()) <= int(columns), out


def test_colour_is_pytests_own_option(run: Health) -> None:
    assert "\x1b[" not in run(SOURCE).out
    assert "\x1b[" in run(SOURCE, "--color=yes").out


def test_quiet_and_verbose(run: Health) -> None:
    quiet = run(SOURCE, "-q").out
    quieter = run(SOURCE, "-qq").out
    verbose = run(SOURCE, "-v").out

    assert "fix: redis-server" in quiet
    assert "skipped" not in quiet.replace("4 skipped", "")
    assert len(quieter.strip().splitlines()) == 1
    assert "passed   redis" not in verbose
    assert "failed   redis.connect" in verbose


def test_no_traceback_unless_asked_for(run: Health) -> None:
    source = "@pytest.mark.health('app')\ndef test_bad():\n    {}['x']\n"

    assert "KeyError: 'x' (test_checks.py:5)" in run(source).out
    assert "{}['x']" not in run(source).out
    assert "{}['x']" in run(source, "--tb=short").out


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
    run: Health, option: str
) -> None:
    out = run(FIGURES, option).out
    table = out[out.index("  measured") :].splitlines()
    assert [line.split() for line in table[1:5]] == [
        ["app.latency.p95", "1.4", "ms", ">", "5", ">", "50", "pass"],
        ["app.rate", "20", "1/s", "<", "100", "<", "50", "fail"],
        ["app.absent", "-", ">", "1", ">", "2", "unknown"],
        ["app.size", "1,234", "B"],
    ]
    assert "recommendations\n  - raise the pool to 8" in out


def test_no_table_of_figures_unless_asked_for(run: Health) -> None:
    assert "  measured" not in run(FIGURES).out

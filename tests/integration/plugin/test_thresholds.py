"""Limits that are changed from outside, and who decides the exit code, through the whole command."""

from tests.kit.runs import RunChecks

CHECK = """
@pytest.mark.health("app")
@pytest.mark.threshold("latency.p95", warn=10, fail=20, unit="ms")
def test_speed(health):
    health.measure("latency", [0.015] * 20, "s")
"""
FILES = {"flowhealth.toml": '[thresholds]\n"app.latency.p95" = { warn = 30, fail = 40 }\n'}
ENVIRONMENT = {"FLOWHEALTH_THRESHOLDS": "app.latency.p95=1:14"}


def test_the_nearest_source_of_each_limit_wins_and_is_in_the_report(
    run_checks: RunChecks,
) -> None:
    option = ("--health-threshold", "app.latency.p95=2:")

    result = run_checks(CHECK, *option, files=FILES, env=ENVIRONMENT)

    (limit,) = result.check("app.speed")["thresholds"]
    assert (limit["warn"], limit["fail"], limit["observed"]) == (2, 14, 15)
    assert limit["source"] == "warn: command line, fail: environment FLOWHEALTH_THRESHOLDS"
    assert result.exit_code == 2


def test_a_mixed_suite_keeps_the_exit_codes_of_pytest(run_checks: RunChecks) -> None:
    mixed = CHECK + "def test_plain(health, target):\n    health.measure(target.name, 1, 's')\n"

    warned = run_checks(mixed, health=False)
    failed = run_checks(mixed, "--health-threshold", "app.latency.p95=1:2", health=False)

    assert (warned.exit_code, failed.exit_code) == (0, 1)
    assert "HealthWarning: app.speed: latency.p95 15 ms, warns above 10 ms" in warned.out
    assert "latency.p95 15 ms, fails above 2 ms" in failed.out
    assert warned.report == failed.report == {}


def test_checks_alone_are_a_health_run_without_the_option(run_checks: RunChecks) -> None:
    result = run_checks(CHECK, health=False)

    assert (result.exit_code, result.health["status"]) == (1, "degraded")
    assert "DEGRADED  app 1.2.3" in result.out

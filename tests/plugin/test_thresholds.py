"""Thresholds changed from outside: the nearest wins, the report names the source."""

from __future__ import annotations

from tests.plugin.conftest import Health

CHECK = """
@pytest.mark.health("app")
@pytest.mark.threshold("latency.p95", warn=10, fail=20, unit="ms")
def test_speed(health):
    health.measure("latency", [0.015] * 20, "s")
"""
FILE = '[thresholds]\n"app.latency.p95" = { warn = 30, fail = 40 }\n'


def test_each_source_beats_the_one_behind_it(run: Health) -> None:
    files = {"flowhealth.toml": FILE}
    env = {"FLOWHEALTH_THRESHOLDS": "app.latency.p95=1:14"}

    seen = [
        run(CHECK),
        run(CHECK, files=files),
        run(CHECK, files=files, env=env),
        run(CHECK, "--health-threshold", "app.latency.p95=16:17", files=files, env=env),
    ]

    limits = [one.check("app.speed")["thresholds"][0] for one in seen]
    assert [one["outcome"] for one in limits] == ["warn", "pass", "fail", "pass"]
    assert limits[0]["source"] == "marker"
    assert "flowhealth.toml" in limits[1]["source"]
    assert "FLOWHEALTH_THRESHOLDS" in limits[2]["source"]
    assert limits[3]["source"] == "command line"
    assert limits[0]["observed"] == 15


def test_one_limit_alone_keeps_the_other(run: Health) -> None:
    limit = run(CHECK, "--health-threshold", "app.latency.p95=:14").check("app.speed")[
        "thresholds"
    ][0]

    assert (limit["warn"], limit["fail"], limit["outcome"]) == (10, 14, "fail")
    assert limit["source"] == "fail: command line, warn: marker"


def test_a_mixed_suite_keeps_pytests_own_exit_codes(run: Health) -> None:
    plain = "def test_plain():\n    pass\n"

    warned = run(CHECK + plain, health=False)
    failed = run(CHECK + plain, "--health-threshold", "app.latency.p95=1:2", health=False)

    assert (warned.exit_code, failed.exit_code) == (0, 1)
    assert "HealthWarning: app.speed: latency.p95 15 ms, warns above 10 ms" in warned.out
    assert "latency.p95 15 ms, fails above 2 ms" in failed.out
    assert warned.report is None


def test_checks_alone_are_a_health_check_by_themselves(run: Health) -> None:
    result = run(CHECK, health=False)

    assert result.exit_code == 1
    assert result.health["status"] == "degraded"
    assert "DEGRADED  app 1.2.3" in result.out

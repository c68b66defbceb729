"""Exported rules, dashboard and metrics, read by Prometheus' own promtool."""

import json
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.alerts.prometheus_rules import render_rules
from pytest_flowhealth.alerts.rules import make_conditions
from pytest_flowhealth.config.alerts import Rule
from pytest_flowhealth.domain.measurements import make_series
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.units import UNITS
from pytest_flowhealth.formats.openmetrics import render
from tests.kit.reports import BROKEN, EVERY, ILL, NOTHING, judged
from tests.kit.runs import RunChecks, run_flowhealth

SPEED = """
@pytest.mark.health("app", remedy="restart {{ it }}")
@pytest.mark.threshold("latency.p95", warn=50, fail=500, unit="ms")
@pytest.mark.threshold("size", warn=10, fail=5, unit="MB")
def test_speed(health):
    health.measure("latency", [float(n) for n in range(100)], unit="ms")
    health.measure("size", 20, unit="MiB")
"""
RULES = (
    Rule(name="slowApp", metric="redis.command.p95", above=1.0, unit="ms", held=300.0),
    Rule(name="growing", metric="system.memory_available", below=1.0, window=1_800.0, per=3_600.0),
    Rule(name="gone", metric="redis.memory", absent=900.0),
)


def promtool(*words: str, text: str = "") -> str:
    """Return what promtool says; nothing if it finds nothing wrong."""
    if shutil.which("promtool") is None:
        pytest.skip("no promtool is installed (apt: prometheus)")
    done = subprocess.run(
        ["promtool", *words], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    return "" if "rules" in words and done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("report", [EVERY, ILL, NOTHING, BROKEN], ids=["every", "ill", "no", "bad"])
def test_promtool_accepts_rules_of_any_report(report: Report, tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    rules = render_rules(
        report, make_conditions(RULES), 'sh{{"op', {"redis": 60.0, "system": 300.0}
    )
    file.write_text(rules, "utf-8", "backslashreplace")

    assert promtool("check", "rules", str(file)) == ""


def test_promtool_finds_nothing_wrong_with_the_metrics() -> None:
    assert promtool("check", "metrics", text=render(EVERY)) == ""


def test_promtool_finds_nothing_wrong_with_metrics_of_any_unit_and_name() -> None:
    names = "cpuUsage jobs_total x_count x_sum x_bucket x_created latency_ms ms_first a_b_c h x_hours_y gauge.x"
    figures = [make_series(f"m{at}", (3.0, 5.0), unit) for at, unit in enumerate(UNITS)]
    figures += [make_series(name, 1.0, unit) for name in names.split() for unit in ("ms", "1")]
    report = msgspec.structs.replace(EVERY, checks=(judged("app.odd", *figures),))

    assert promtool("check", "metrics", text=render(report)) == ""


def test_the_monitors_rules_are_translated_with_their_limits_in_base_units() -> None:
    text = render_rules(EVERY, make_conditions(RULES), "shop", {"redis": 200.0, "wasm": 86_400.0})

    redis = 'flowhealth_redis_command_seconds{target=\\"shop\\", component=\\"redis\\", '
    assert f'"last_over_time({redis}statistic=\\"p95\\"}}[600s]) > 0.001"' in text
    assert "for: 300s" in text
    assert "[7d])) > 600" in text
    assert "absent_over_time(flowhealth_redis_memory_bytes{" in text
    assert "deriv(flowhealth_system_memory_available_bytes{" in text
    assert "npm_" not in text


def test_the_command_exports_what_the_last_runs_measured(
    run_checks: RunChecks, tmp_path: Path
) -> None:
    nothing = run_flowhealth(tmp_path, "export", "grafana")
    run_checks(SPEED, "--health-history", "sqlite:///.flowhealth/history.db")
    run_checks(SPEED.replace("speed", "other").replace("latency", "delay"))
    rules = run_flowhealth(tmp_path, "export", "prometheus-rules")
    dashboard = run_flowhealth(tmp_path, "export", "grafana")

    assert nothing.exit_code == 3
    assert "nothing was measured yet" in nothing.err
    assert "fix: pytest --health" in nothing.err
    for check, name in (("speed", "latency"), ("other", "delay")):
        assert f"flowhealth_app_{name}_seconds" in rules.out
        assert f'check: "app.{check}"' in rules.out
        assert f"flowhealth_app_{name}_seconds" in dashboard.out
    assert ' < 5000000.0"' in rules.out
    assert "restart {{`{{`}} it }}" in rules.out


NAMES = """
@pytest.mark.health("app")
@pytest.mark.parametrize("page", ["{{x}}", 'b"c', "d\\\\e", "f\\ng"])
@pytest.mark.threshold("size", warn=10, fail=15)
def test_page(health, page):
    for name in ("size", "hits.count", "hits_total", "a.sum", "a.info", "openFiles"):
        health.measure(name, 4, unit="1")
    health.measure("rate.total", 4, unit="1/s")
"""


def test_promtool_accepts_any_name_of_a_measurement_and_of_a_parametrised_check(
    run_checks: RunChecks, tmp_path: Path
) -> None:
    run_checks(NAMES, "--health-output", "openmetrics:metrics.prom")
    rules = tmp_path / "rules.yml"
    rules.write_text(run_flowhealth(tmp_path, "export", "prometheus-rules").out)
    metrics = (tmp_path / "metrics.prom").read_text()

    assert promtool("check", "metrics", text=metrics) == ""
    assert promtool("check", "rules", str(rules)) == ""
    assert "flowhealth_app_hits_count_value{" in metrics
    assert "flowhealth_app_open_files{" in metrics
    assert "flowhealth_app_rate_total_per_second{" in metrics


def test_panels_of_the_dashboard_do_not_overlap(run_checks: RunChecks, tmp_path: Path) -> None:
    run_checks(SPEED)
    dashboard = json.loads(run_flowhealth(tmp_path, "export", "grafana").out)

    cells: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        own = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not own & cells
        assert max(x for x, _ in own) < 24
        cells |= own
    (latency,) = [one for one in dashboard["panels"] if one["title"] == "app.latency"]
    defaults = latency["fieldConfig"]["defaults"]
    assert defaults["unit"] == "s"
    assert [step["value"] for step in defaults["thresholds"]["steps"]] == [None, 0.05, 0.5]
    (size,) = [one for one in dashboard["panels"] if one["title"] == "app.size"]
    steps = size["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [(step["value"], step["color"]) for step in steps] == [
        (None, "red"),
        (5e6, "yellow"),
        (1e7, "green"),
    ]

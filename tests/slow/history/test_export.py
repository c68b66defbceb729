"""The exported dashboard and rules against the values that a real server has."""

import json
from pathlib import Path

import yaml

from tests.kit.metric_servers import victoria_server
from tests.kit.runs import RunChecks, run_flowhealth
from tests.kit.waiting import wait_for

CHECKS = """
@pytest.mark.health("app")
@pytest.mark.threshold("latency.p95", warn=50, fail=500, unit="ms")
@pytest.mark.threshold("size", warn=10, fail=5, unit="MB")
def test_speed(health):
    health.measure("latency", [float(n) for n in range(100)], unit="ms")
    health.measure("size", 4, unit="MiB")

@pytest.mark.health("app")
@pytest.mark.parametrize("page", ["a", 'b"c'])
@pytest.mark.threshold("hits", warn=1, better="higher", unit="1")
def test_page(health, page):
    health.measure("hits", 7, unit="1")
"""


def test_every_query_of_the_dashboard_has_values_and_rules_fire_as_checks_judge(
    run_checks: RunChecks, tmp_path: Path
) -> None:
    rules_toml = '[[rules]]\nname = "slow"\nmetric = "app.latency.p95"\nabove = 90\nunit = "ms"\n'
    # Else it leaves out the last 30 s of what it has.
    with victoria_server(tmp_path / "victoria", "-search.latencyOffset=0s") as server:
        files = {"flowhealth.toml": rules_toml}
        run_checks(CHECKS, "--health-history", server.url, files=files)
        wait_for(lambda: server.values("flowhealth_status"))
        dashboard = json.loads(run_flowhealth(tmp_path, "export", "grafana").out)
        rules = yaml.safe_load(run_flowhealth(tmp_path, "export", "prometheus-rules").out)

        queries = [
            target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())
        ]
        found = {query: server.values(query.replace("$instance", ".+")) for query in queries}
        firing = {
            (rule["alert"], rule["labels"]["severity"])
            for group in rules["groups"]
            for rule in group["rules"]
            if server.values(rule["expr"])
        }

    # app.size is below its limit: the one query of checks that fail has a value, too.
    assert [query for query, values in found.items() if not values] == []
    assert [len(values) for query, values in found.items() if "app_hits" in query] == [2]
    assert firing == {
        ("FlowhealthCheckFails", "critical"),
        ("FlowhealthAppLatencyP95High", "warning"),
        ("FlowhealthAppSizeLow", "warning"),
        ("FlowhealthAppSizeLow", "critical"),
        ("Slow", "warning"),
    }

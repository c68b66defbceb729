"""Formats as the programs read them that operators run: Monitoring::Plugin, promtool, node_exporter."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.formats import nagios, openmetrics
from tests.kit.readers import by_guidelines, perfdata
from tests.kit.reports import EVERY, HEALTH
from tests.kit.waiting import wait_for

EXPORTER = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")


def test_monitoring_plugin_reads_each_nagios_figure_and_judges_it_as_the_report_does() -> None:
    argv = ["perl", "-MMonitoring::Plugin::Performance", "-e", "1"]
    if (
        not shutil.which("perl")
        or subprocess.run(argv, capture_output=True, check=False).returncode
    ):
        pytest.skip("no Monitoring::Plugin (apt: libmonitoring-plugin-perl)")
    text = nagios.render(EVERY)
    found = {figure["label"]: figure for figure in perfdata(text)}
    assert {name: (figure["value"], figure["uom"]) for name, figure in found.items()} == (
        by_guidelines(text)
    )
    states = {Outcome.PASS: 0, Outcome.WARN: 1, Outcome.FAIL: 2}
    for check in EVERY.checks:
        for threshold in check.thresholds:
            if threshold.observed is not None:
                _, bracket, parameters = check.id.partition("[")
                name = f"{check.component}.{threshold.name}{bracket}{parameters}"
                assert found[name]["state"] == states[threshold.outcome], name


@pytest.mark.skipif(not EXPORTER, reason="no node_exporter is installed (apt)")
def test_node_exporter_serves_the_file_from_its_textfile_folder(tmp_path: Path) -> None:
    (tmp_path / "app.prom").write_text(openmetrics.render(HEALTH))
    argv = [
        *(str(EXPORTER), "--web.listen-address=127.0.0.1:0", "--collector.disable-defaults"),
        *("--collector.textfile", f"--collector.textfile.directory={tmp_path}"),
    ]
    log = tmp_path / "exporter.log"
    with log.open("wb") as out, subprocess.Popen(argv, stderr=out, stdout=out) as exporter:
        try:
            addresses = wait_for(
                lambda: re.findall(r"127\.0\.0\.1:[1-9]\d*", log.read_text()),
                message=log.read_text,
            )
            page = requests.get(f"http://{addresses[0]}/metrics", timeout=20).text
        finally:
            exporter.terminate()

    assert "node_textfile_scrape_error 0" in page
    assert re.search(r'^flowhealth_status\{host="h",.*target="shop"\} 3$', page, re.MULTILINE)

"""What the pages must not claim: that a silent monitor is healthy, that nothing was measured, that all were notified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_flowhealth.domain.measurements import make_series
from tests.kit.reports import judged, reported
from tests.kit.site import Stage, own_report, staged
from tests.kit.tabs import Tab, tab
from tests.kit.waiting import wait_for


def test_a_killed_monitor_leaves_nothing_green(browser: Any, tmp_path: Path) -> None:
    with staged(tmp_path / "app") as stage, tab(browser, stage) as page:
        page.enter("/")
        page.wait_until_live()
        assert page.see("status").get_attribute("data-status") == "healthy"
        assert "healthy" in page.page.title()
        stage.close()
        page.wait_for('[data-test="status"][data-status="unknown"]')
        assert "monitor is silent" in page.see("status").inner_text()
        assert page.see("component-own").get_attribute("data-status") == "unknown"
        assert page.page.locator('[data-status="healthy"], [data-status="pass"]').count() == 0
        assert page.page.title().startswith("? unknown")
        assert page.page.locator('link[rel="icon"]').get_attribute("data-status") == "unknown"
        assert "has not reported since" in page.page.locator("#banner").inner_text()
        assert "next round" not in page.page.locator("main").inner_text()


def test_a_sparkline_leaves_gaps_open_and_ends_where_its_samples_end(page: Tab) -> None:
    def answer(route: Any) -> None:
        now = page.page.evaluate("Date.now() / 1000")
        at = [now - 800 + second for second in [*range(100), *range(200, 300)]]
        one = [5.0] * len(at)
        content = {"metric": "system.disk", "unit": "%", "step": None, "at": at}
        columns = dict.fromkeys(("count", "min", "max", "mean", "p95"), one)
        route.fulfill(json=content | columns)

    page.page.route("**/api/series*system.disk*", answer)
    page.go("/")
    page.wait_for('[data-test="spark-system.disk"] path[d^="M"]', state="attached")
    drawn = page.see("spark-system.disk").locator("path").get_attribute("d")
    assert drawn.count("M") == 2
    last = float(drawn.rsplit("L", 1)[1].split(",")[0])
    # 500 of 900 seconds before now.
    assert last == pytest.approx(200 * (1 - 500 / 900), abs=2)


def test_a_check_that_fails_shows_what_it_normally_measures_and_its_limits(
    page: Tab, stage: Stage
) -> None:
    broken = own_report("broken")
    check = msgspec.structs.replace(broken.checks[0], measurements=(), thresholds=())
    stage.conclude(msgspec.structs.replace(broken, checks=(check,)))
    page.go("/check/own.switch?range=15m")
    page.wait_for('h1 [data-status="fail"]')
    usual = page.see("usual").inner_text()
    assert "own.figure normally 3 ms" in usual
    assert "fails above 20 ms" in usual
    page.wait_for('[data-test="chart-own.figure"][data-drawn]')
    assert "measures nothing" not in page.page.locator("main").inner_text()
    assert page.see("strip").locator('.bar[data-outcome="fail"]').count() == 1


def test_a_fleet_that_cannot_be_read_is_said_on_its_page_and_on_the_overview(
    page: Tab, stage: Stage
) -> None:
    stage.fleet.source, stage.fleet.problem = "bullmq", "127.0.0.1:6379 refuses connections"
    page.wait_for("text=The fleet can't be read: 127.0.0.1:6379")
    page.follow("/fleet")
    assert "127.0.0.1:6379 refuses" in page.see("error").inner_text()
    assert "No fleet is configured" not in page.page.locator("main").inner_text()


def test_components_that_are_not_monitored_are_named(page: Tab, stage: Stage) -> None:
    stage.conclude(msgspec.structs.replace(own_report(), not_asked=("redis",)))
    assert "Not monitored: redis" in page.see("not-monitored").inner_text()


def test_a_resolved_alert_that_flaps_does_not_look_as_if_it_fires(page: Tab, stage: Stage) -> None:
    page.follow("/alerts")
    for mode in ("broken", "ok") * 4:
        stage.conclude(own_report(mode))
    page.wait_for('[data-test="alert-own.switch"][data-phase="resolved"]')
    alert = page.see("alert-own.switch")
    assert alert.locator(".badge").inner_text().endswith("resolved")
    assert alert.locator('[data-status="fail"]').count() == 0
    assert "It was: the switch is at broken" in alert.inner_text()
    assert page.page.locator("nav a", has_text="Alerts").inner_text() == "Alerts"


RECEIVER = """
[[receivers]]
name = "ops"
type = "webhook"
url = "http://127.0.0.1:9/hook"

[alerts]
runbook_url = "https://wiki.example.org/runbook"
"""


def test_it_says_when_no_receiver_can_be_reached_and_links_to_the_runbook(
    browser: Any, tmp_path: Path
) -> None:
    with staged(tmp_path / "app", RECEIVER) as stage, tab(browser, stage) as page:
        page.enter("/alerts")
        page.wait_until_live()
        stage.conclude(own_report("broken"))
        link = page.see("runbook").get_attribute("href")
        assert link.startswith("https://wiki.example.org/runbook#")
        page.wait_for("text=No receiver can be reached")
        page.follow("/")
        assert page.see("runbook").get_attribute("href") == link


def test_a_message_keeps_its_lines_and_prose_is_not_offered_as_a_command(
    page: Tab, stage: Stage
) -> None:
    stage.conclude(own_report("broken", remedy="turn the switch"))
    problem = page.see("problem-own.switch")
    assert problem.get_by_role("button").count() == 0
    stage.conclude(own_report("broken", remedy="npm ci"))
    wait_for(lambda: problem.get_by_role("button").count() == 1)
    style = "getComputedStyle(document.querySelector('.problem .message')).whiteSpace"
    assert page.page.evaluate(style) == "pre-line"


def test_a_second_check_of_the_component_has_its_own_history(page: Tab, stage: Stage) -> None:
    stage.conclude(reported([judged("own.second", make_series("other", 7.0, "ms"))]))
    page.go("/check/own.second?range=15m")
    page.see("chart-own.other")


def test_the_past_is_on_the_pages(browser: Any, tmp_path: Path) -> None:
    with staged(tmp_path / "app") as stage, tab(browser, stage) as page:
        for mode in ("broken", "ok", "broken"):
            stage.conclude(own_report(mode))
        page.enter("/")
        page.wait_until_live()
        tile = page.see("component-own")
        wait_for(lambda: tile.locator('.bar[data-outcome="fail"]').count() == 2)
        assert tile.locator(".cause").inner_text().startswith("own.switch")
        tile.locator(".strip").focus()
        assert "own.switch: the switch is at broken" in tile.locator(".bartext").inner_text()
        page.page.keyboard.press("ArrowLeft")
        assert "passed" in tile.locator(".bartext").inner_text()
        page.follow("/history")
        page.wait_for('[data-test="incidents"] tbody tr')
        assert "own" in page.see("availability").locator("tbody").inner_text()
        assert page.see("runs").locator("tbody tr").count() == 4
        page.see("incidents").locator("tbody a").first.click()
        page.wait_until("location.search.startsWith('?since=')")
        export = page.page.evaluate(
            "fetch('/api/export/incidents?format=csv').then((answer) => answer.text())"
        )
        assert export.startswith("alert,component,")
        page.assert_quiet()


def test_five_hundred_checks_are_searched_and_filtered(page: Tab, stage: Stage) -> None:
    checks = [judged(f"own.check{number:03}") for number in range(400)]
    checks += [judged(f"own.route[{number}]", tags=("nightly",)) for number in range(99)]
    stage.conclude(reported([*checks, *own_report("broken").checks]))
    rows = page.page.locator('[data-test="checks"] > ul > li')
    wait_for(lambda: rows.count() == 50)
    assert "own.switch" in rows.first.inner_text()
    top = "document.getElementById('parts').getBoundingClientRect().top + scrollY"
    assert page.page.evaluate(top) < 1_000
    page.page.fill('input[name="search"]', "route")
    wait_for(lambda: rows.count() == 1)
    assert "own.route[…] (99)" in rows.first.inner_text()
    page.page.fill('input[name="search"]', "")
    page.page.select_option('select[name="tag"]', "nightly")
    wait_for(lambda: rows.count() == 1)
    assert "own.route[…] (99)" in rows.first.inner_text()
    page.page.select_option('select[name="tag"]', "")
    page.page.check('input[name="failing"]')
    wait_for(lambda: rows.count() == 1)

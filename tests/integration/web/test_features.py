"""What people do on the pages besides reading: themes, kiosk, maintenance, test messages, and what a lost connection leaves."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.kit.http import Reply
from tests.kit.site import Stage, own_report, staged
from tests.kit.tabs import SIZES, Tab, tab
from tests.kit.waiting import wait_for
from tests.kit.web_app import cheap_hash
from tests.kit.webhook import ACCEPTED, WebhookServer


def shown_pages(page: Tab) -> list[str]:
    """Return the names in the navigation."""
    texts: list[str] = page.page.locator("#nav li:visible").all_inner_texts()
    return texts


def test_the_navigation_has_only_the_pages_that_apply(page: Tab, stage: Stage) -> None:
    wait_for(lambda: "Fleet" not in shown_pages(page))
    assert {"Overview", "Alerts", "History"} <= {*shown_pages(page)}
    assert {"npm package", "Hosts"}.isdisjoint(shown_pages(page))
    stage.fleet.source = "bullmq"
    wait_for(lambda: "Fleet" in shown_pages(page))
    page.go("/hosts")
    wait_for(lambda: "Hosts" in shown_pages(page))


def test_the_theme_is_chosen_and_remembered(page: Tab) -> None:
    def background() -> str:
        return str(page.page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = background()
    page.page.click("#user summary")
    page.page.select_option("#account select", "dark")
    wait_for(lambda: background() != light)
    dark = background()
    page.go("/check/own.switch?range=15m")
    page.wait_for('[data-test="chart-own.figure"][data-drawn]')
    assert background() == dark
    page.assert_quiet()


def test_the_kiosk_view_has_no_navigation_and_is_left_again(page: Tab) -> None:
    page.page.click("#user summary")
    page.page.click("text=Kiosk view")
    page.page.wait_for_url("**/?kiosk")
    page.wait_until_live()
    assert page.see("status").is_visible()
    assert not page.page.locator("#nav").is_visible()
    page.page.click("text=Leave the kiosk view")
    page.wait_for("#nav", state="visible")


def test_the_time_zone_is_named(browser: Any, stage: Stage) -> None:
    with tab(browser, stage, timezone_id="Asia/Kolkata") as page:
        page.enter("/")
        page.wait_until_live()
        assert "Asia/Calcutta (UTC+05:30)" in page.page.locator("#zone").inner_text()


@contextlib.contextmanager
def firing_alert(browser: Any, folder: Path) -> Iterator[tuple[Stage, Tab, WebhookServer]]:
    """Open the alerts' page while an alert fires; its receiver is the server that is returned, too."""
    with WebhookServer() as server:
        config = f'[[receivers]]\nname = "ops"\ntype = "webhook"\nurl = "{server.url}"\n'
        with staged(folder / "app", config) as stage, tab(browser, stage) as page:
            page.enter("/alerts")
            page.wait_until_live()
            stage.conclude(own_report("broken"))
            yield stage, page, server


def test_an_acknowledgement_is_withdrawn_and_the_incident_names_who_was_notified(
    browser: Any, tmp_path: Path
) -> None:
    with firing_alert(browser, tmp_path) as (stage, page, _):
        alert = page.see("alert-own.switch")
        alert.locator('[data-test="acknowledge"]').click()
        page.wait_for("text=acknowledged by admin")
        alert.locator('[data-test="withdraw"]').click()
        alert.get_by_role("button", name="Acknowledge own.switch").wait_for()
        wait_for(lambda: not _tracked(stage).state.acknowledged)
        assert "acknowledged by" not in alert.inner_text()
        alert.locator('[data-test="acknowledge"]').click()
        page.wait_for("text=acknowledged by admin")
        page.follow("/")
        problem = page.see("problem-own.switch").locator('[data-test="alert-state"]')
        assert problem.inner_text() == "Alert acknowledged by admin"
        stage.conclude()
        page.follow("/history")
        page.wait_for('[data-test="incidents"] tbody td:has-text("admin")')
        row = page.see("incidents").locator("tbody tr").first.inner_text()
        assert "ops" in row
        assert "over" in row
        page.assert_quiet()


def _tracked(stage: Stage) -> Any:
    return next(one for one in stage.pipeline.tracked() if one.subject.name == "own.switch")


def test_test_messages_are_sent_and_the_state_of_each_message_is_shown(
    browser: Any, tmp_path: Path
) -> None:
    with firing_alert(browser, tmp_path) as (stage, page, server):
        page.wait_for('[data-test="deliveries"] tr:has-text("delivered")')
        before = len(server.ids)
        page.page.click("text=Send a test message")
        page.wait_for("text=the short message was accepted; the long message was accepted")
        assert len(server.ids) == before + 2
        server.respond = lambda _: Reply(status=410)
        page.page.click("text=Send a test message")
        page.wait_for("text=the short message was not accepted")
        wait_for(lambda: stage.noted("test message"))
        assert stage.noted("test message")[0]["user"] == "admin"
        server.respond = lambda _: ACCEPTED


def test_maintenance_is_planned_with_repetition_and_marked_in_the_strip(
    page: Tab, stage: Stage
) -> None:
    page.follow("/alerts")
    form = page.see("maintenance")
    form.locator("summary").click()
    begin = datetime.datetime.now().astimezone() + datetime.timedelta(days=1)
    form.locator('input[name="pattern"]').fill("own.*")
    form.locator('input[name="begin"]').fill(f"{begin:%Y-%m-%dT%H:%M}")
    form.locator('select[name="repeat"]').select_option("weekly")
    form.locator('button[type="submit"]').click()
    page.see("silence-own.*")
    silences = page.page.locator('[data-test="silence-own.*"]')
    wait_for(lambda: silences.count() == 26)
    assert "Maintenance: own.* from" in silences.first.inner_text()
    silences.last.get_by_role("button").click()
    wait_for(lambda: silences.count() == 25)
    # A round of that time.
    later = begin + datetime.timedelta(minutes=5)
    stage.conclude(msgspec.structs.replace(own_report("broken"), started=later))
    page.follow("/")
    tile = page.see("component-own")
    wait_for(lambda: tile.locator(".bar[data-maintenance]").count() == 1)
    tile.locator(".strip").focus()
    assert "during maintenance" in tile.locator(".bartext").inner_text()


def test_an_error_that_belongs_to_an_outage_disappears_with_it(page: Tab) -> None:
    page.page.route("**/api/incidents*", lambda route: route.abort())
    page.page.route("**/api/series*", lambda route: route.abort())
    page.follow("/history")
    page.wait_for('[data-test="incidents"] .notice.error')
    page.page.unroute("**/api/incidents*")
    page.wait_for('[data-test="incidents"] .notice.empty')
    now = time.time()
    # A range that has passed is not asked for again by itself.
    page.go(f"/check/own.switch?since={now - 600:.0f}&until={now + 60:.0f}")
    page.wait_for(".chart .notice.error")
    page.page.unroute("**/api/series*")
    page.wait_for('[data-test="chart-own.figure"][data-drawn]')
    assert page.page.locator(".notice.error").count() == 0


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_browser_whose_clock_is_wrong_shows_the_same(
    browser: Any, stage: Stage, hours: int
) -> None:
    with tab(browser, stage, alone=True) as page:
        shift = hours * 3_600_000
        page.page.add_init_script(f"const now = Date.now; Date.now = () => now() + {shift};")
        stage.conclude(own_report("broken"))
        page.enter("/check/own.switch?range=15m")
        page.wait_until_live()
        page.wait_for('[data-test="chart-own.figure"][data-drawn]')
        page.wait_until(
            r"/failing since .*\(\d+(\.\d)? s ago\)/.test(document.querySelector('.when').innerText)"
        )
        page.follow("/")
        page.wait_until(
            r"/checked \d+(\.\d)? s ago/.test(document.querySelector('main').innerText)"
        )


def test_a_clock_of_the_monitor_that_was_set_back_is_said(page: Tab, stage: Stage) -> None:
    stage.conclude(own_report("broken"))
    page.see("problem-own.switch")
    stage.clock._wall = lambda: time.time() - 1_800
    page.wait_until(
        r"/since .*\(before the clock was set back\)/.test(document.querySelector('main').innerText)"
    )
    page.go("/history")
    page.wait_until("document.querySelector('main').innerText.includes('ongoing')")
    assert " -" not in page.page.locator("main").inner_text()
    stage.conclude(own_report("broken"))
    page.follow("/")
    page.wait_until(r"/checked \d+(\.\d)? s ago/.test(document.querySelector('main').innerText)")


def test_a_pending_navigation_shows_that_it_loads(page: Tab) -> None:
    held: list[Any] = []
    page.page.route("**/views/alerts.js", lambda route: held.append(route))  # noqa: PLW0108  # Playwright marks the function
    page.page.click('#nav a[href="/alerts"]')
    page.wait_for("html[data-loading]")
    assert page.page.locator("#main").get_attribute("aria-busy") == "true"
    wait_for(lambda: bool(held))
    held[0].continue_()
    page.page.get_by_role("heading", name="Alerts").wait_for()
    page.wait_for("html:not([data-loading])")


def test_failures_are_shaded_and_a_tile_has_a_line_with_its_limit(page: Tab, stage: Stage) -> None:
    now = datetime.datetime.now(datetime.UTC)
    for minutes, mode in ((9, "ok"), (6, "broken"), (3, "ok"), (0, "ok")):
        started = now - datetime.timedelta(minutes=minutes)
        stage.conclude(msgspec.structs.replace(own_report(mode), started=started))
    page.go("/check/own.switch?range=15m")
    page.wait_for('[data-test="chart-own.figure"][data-drawn]')
    page.wait_for("text=Shaded: failed (red)")
    legend = page.see("chart-own.figure").locator(".u-legend")
    wait_for(lambda: "3 ms" in legend.inner_text())
    strip = page.page.locator("main .strip").first
    strip.focus()
    assert "measured 3 ms" in strip.locator(".bartext").inner_text()
    page.follow("/")
    line = page.see("component-own").locator(".spark path:not(.limit)")
    wait_for(lambda: (line.get_attribute("d") or "").startswith("M"))
    assert page.see("component-own").locator(".limit.warn").get_attribute("d").startswith("M0,")


def test_an_alert_leads_to_its_check_at_that_time(page: Tab, stage: Stage) -> None:
    stage.conclude(own_report("broken"))
    page.follow("/alerts")
    page.see("alert-own.switch").get_by_role("link", name="own.switch").click()
    page.page.wait_for_url("**/check/own.switch?range=15m")
    page.follow("/alerts")
    page.see("events").locator("tbody a").first.click()
    page.page.wait_for_url("**/check/own.switch?since=*")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_public_status_page_is_accessible_and_fits(
    browser: Any, axe: str, tmp_path: Path, scheme: str
) -> None:
    config = f'[web]\nusers = {{ admin = "{cheap_hash()}" }}\npublic = ["status", "badge"]\n'
    width, height = SIZES["telephone"]
    settings: dict[str, Any] = {
        "color_scheme": scheme,
        "viewport": {"width": width, "height": height},
    }
    with staged(tmp_path / "app", config) as stage, tab(browser, stage, **settings) as page:
        stage.conclude(own_report("broken"))
        wait_for(lambda: "unhealthy" in page.page.request.get(f"{stage.url}status").text())
        page.go("/status")
        assert page.page.get_by_role("heading", name="Some components are unhealthy").is_visible()
        page.assert_accessible(axe)
        page.assert_quiet()
        page.go("/badge/status/own.svg")
        assert "own: unhealthy" in page.page.content()


def test_the_public_status_page_is_unknown_when_the_monitor_does_not_answer(
    browser: Any, tmp_path: Path
) -> None:
    config = f'[web]\nusers = {{ admin = "{cheap_hash()}" }}\npublic = ["status"]\n'
    with staged(tmp_path / "app", config) as stage, tab(browser, stage, alone=True) as page:
        page.page.clock.install()
        page.go("/status")
        page.page.get_by_role("heading", name="All components are healthy").wait_for()
        page.page.route("**/status", lambda route: route.abort())
        page.page.clock.fast_forward(31_000)
        page.page.get_by_role("heading", name="The status is unknown").wait_for()
        assert page.page.locator('[data-status="healthy"]').count() == 0
        page.page.unroute("**/status")
        page.page.clock.fast_forward(31_000)
        page.page.get_by_role("heading", name="All components are healthy").wait_for()


COMMANDS = """redis-server --daemonize yes
npm ci --legacy-peer-deps
npm install left-pad@1.3.0 is-odd@3.0.1
npm view left-pad deprecated
git checkout -- package.json
cd app && npm ci
rm -rf node_modules && npm install
ps aux --sort=-rss | head
redis-cli CONFIG SET maxmemory-policy noeviction
REDIS_URL=redis://127.0.0.1:6379 npm start
./bin/restart.sh
sudo systemctl restart shop
pip install 'pytest-flowhealth[web]'
npm run build; npm start
npm version patch && npm publish"""

SENTENCES = """redis-cli --latency shows whether the server or the network is slow
redis-cli --bigkeys shows what takes it; redis-cli MEMORY DOCTOR says more
git pull; or npm dist-tag ls shows what is published
npm audit; it asks the registry that `npm config get registry` names
npm ping: does the registry answer?
npm install 'left-pad' in an empty folder, and load it
npm deprecate left-pad@1.0.0 '' takes it back
redis-cli -p 26379 SENTINEL MASTERS, or redis-cli CLUSTER INFO
gh issue list --search 'is:open' shows who waits
npm is not installed
make sure that Redis runs
kill the process that holds the port
node 22 or newer
ulimit -n, and the server's own limit of connections
see what takes it: top -o %CPU
turn the switch
start agents
export the memory, so that its growth can be told from the engine's
npm deprecate tells the users of an old version to go on
git push it yourself."""


def test_only_commands_are_offered_to_copy(page: Tab) -> None:
    script = "texts => import('/static/parts.js').then(parts => texts.map(parts.isCommand))"
    found = page.page.evaluate(script, COMMANDS.splitlines())
    assert [text for text, is_ in zip(COMMANDS.splitlines(), found, strict=True) if not is_] == []
    found = page.page.evaluate(script, SENTENCES.splitlines())
    assert [text for text, is_ in zip(SENTENCES.splitlines(), found, strict=True) if is_] == []
    assert page.page.evaluate(script, ["npm ci\nnpm start", "npm ci\nthen start it"]) == [
        True,
        False,
    ]

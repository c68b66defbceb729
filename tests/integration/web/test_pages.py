"""The pages in a real Chromium: what a maintainer sees and does, and what is shown when something breaks."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pytest_flowhealth.web.app import STATIC
from tests.kit.site import HOSTILE_TEXT, Stage, Visitor, own_report, port_of, staged
from tests.kit.tabs import SIZES, Tab, tab


def test_the_log_in_leads_back_to_where_it_was_asked_for(browser: Any, stage: Stage) -> None:
    with tab(browser, stage) as page:
        page.go("/check/own.switch?range=24h")
        page.page.wait_for_url("**/login?next=*")
        page.log_in("wrong")
        page.wait_for("text=the name or the password is wrong")
        page.log_in()
        page.page.wait_for_url("**/check/own.switch?range=24h")
        page.see("chart-own.figure")


def test_the_log_in_leads_to_no_other_site(browser: Any, stage: Stage) -> None:
    with tab(browser, stage) as page:
        page.page.route(stage.url, lambda route: route.fulfill(body="<h1>the overview</h1>"))
        for path in ("//evil.example/", "/\\evil.example", "javascript:alert(1)"):
            page.go(f"/login?next={quote(path, safe='')}")
            page.log_in()
            page.wait_for("text=the overview")
            assert page.page.url == stage.url, path
        assert page.foreign == []


def test_a_failure_is_shown_with_its_message_and_goes_when_it_is_mended(
    page: Tab, stage: Stage
) -> None:
    assert page.see("status").inner_text().endswith("Healthy: every check passed")
    stage.conclude(own_report("broken"))
    problem = page.see("problem-own.switch")
    assert "the switch is at broken" in problem.inner_text()
    assert "turn the switch" in problem.inner_text()
    assert page.see("status").get_attribute("data-status") == "unhealthy"
    assert page.see("component-own").get_attribute("data-status") == "unhealthy"
    stage.conclude()
    page.wait_for('[data-test="problem-own.switch"]', state="detached")
    page.assert_quiet()


def test_a_chart_has_its_limits_and_the_address_has_its_range(page: Tab, stage: Stage) -> None:
    stage.conclude()
    window = page.page
    page.go("/check/own.switch?range=15m")
    chart = page.see("chart-own.figure")
    drawn = '[data-test="chart-own.figure"][data-drawn]'
    page.wait_for(drawn)
    assert "Last 3 ms" in chart.inner_text()
    assert chart.locator("canvas").count() == 1
    for name in ("24h", "90d"):
        window.click(f'button[data-range="{name}"]')
        assert f"range={name}" in window.url
        page.wait_for(f'button[data-range="{name}"][aria-pressed="true"]')
    window.click('button[data-range="15m"]')
    box = chart.locator(".u-over").bounding_box()
    window.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50)
    window.mouse.down()
    window.mouse.move(box["x"] + box["width"] * 0.999, box["y"] + 50, steps=5)
    window.mouse.up()
    page.wait_until("location.search.includes('since=')")
    # The address is the view: another tab shows the same.
    page.go(window.url.removeprefix(stage.url.rstrip("/")))
    page.wait_for(drawn)
    page.see("unzoom").click()
    page.wait_for('button[data-range="1h"][aria-pressed="true"]')
    window.go_back()
    page.wait_until("location.search.includes('since=')")
    page.wait_for(drawn)
    window.locator(".u-over").dblclick()
    page.wait_until("location.search === '?range=1h'")
    window.locator("figure details summary").click()
    assert "3" in window.locator("figure details tbody tr").first.inner_text()
    page.assert_quiet()


def test_an_alert_is_acknowledged_and_silenced_and_the_silence_ended(
    page: Tab, stage: Stage
) -> None:
    page.follow("/alerts")
    stage.conclude(own_report("broken"))
    alert = page.see("alert-own.switch")
    assert page.page.locator("nav a", has_text="Alerts").inner_text() == "Alerts (1)"
    alert.locator('[data-test="acknowledge"]').click()
    page.wait_for("text=acknowledged by admin")
    alert.locator("summary").click()
    alert.locator('input[name="reason"]').fill("planned")
    alert.locator('button[type="submit"]').click()
    silence = page.see("silence-own.switch")
    assert "by admin: planned" in silence.inner_text()
    page.wait_for("text=silenced until")
    silence.get_by_role("button").click()
    silence.wait_for(state="detached")
    changes = ("acknowledged", "silenced", "silence ended")
    assert [len(stage.noted(what)) for what in changes] == [1, 1, 1]
    page.assert_quiet()


def test_hostile_texts_stay_texts(page: Tab, stage: Stage) -> None:
    stage.conclude(own_report("hostile", remedy=HOSTILE_TEXT))
    assert "<script>alert(1)</script>" in page.see("problem-own.switch").inner_text()
    page.follow("/alerts")
    for path in ("", "/check/own.switch", "/check/%3Cimg%20src%3Dx%20onerror%3D1%3E"):
        if path:
            page.go(path)
        page.wait_until_live()
        page.settle()
        assert page.page.locator("img, main script").count() == 0
    page.assert_quiet()


def test_it_says_since_when_it_is_not_live_and_comes_back_after_a_restart(
    browser: Any, tmp_path: Path
) -> None:
    with staged(tmp_path / "app") as stage, tab(browser, stage) as page:
        page.enter("/")
        page.wait_until_live()
        address = str(port_of(stage))
        stage.close()
        page.wait_until_live("stale")
        assert page.see("live").inner_text().startswith("not live since ")
        assert page.see("status").is_visible()
        with staged(tmp_path / "app", address=address) as again:
            page.wait_until_live()
            again.conclude(own_report("broken"))
            page.see("problem-own.switch")


def test_what_a_stuck_monitor_said_last_is_not_live(browser: Any, stage: Stage) -> None:
    with tab(browser, stage, alone=True) as page:
        page.enter("/")
        assert_stuck_is_not_live(page)


def assert_stuck_is_not_live(page: Tab) -> None:
    whole = page.page.evaluate("fetch('/api/state').then((answer) => answer.json())")
    old = json.dumps({"type": "snapshot", **whole})
    connections = []

    def answer(socket: Any) -> None:
        connections.append(socket)
        socket.send(old)

    page.page.route_web_socket("**/api/live*", answer)
    page.go("/")
    page.see("status")
    page.wait_until_live("stale")
    page.page.evaluate(
        """() => { window.states = new Set(); const root = document.documentElement;
          setInterval(() => window.states.add(root.dataset.live), 50); }"""
    )
    # It connects again meanwhile, and is told the same.
    before = len(connections)
    while len(connections) == before:
        page.page.wait_for_timeout(100)
    page.page.wait_for_timeout(300)
    assert page.page.evaluate("[...window.states]") == ["stale"]


def test_an_unknown_page_and_an_unknown_check_are_named(page: Tab) -> None:
    page.go("/nothing")
    page.page.get_by_role("heading", name="Page not found").wait_for()
    page.go("/check/%E0%A4%A")
    page.wait_for("text=No check %E0%A4%A has run")


def test_the_end_of_the_session_is_announced(page: Tab, stage: Stage) -> None:
    other = Visitor(stage)
    other.log_in()
    for session in other.get("api/sessions").json()["sessions"]:
        if not session["current"]:
            other.change(f"api/sessions/{session['id']}", method="DELETE")
    page.wait_for("text=Your session has ended")
    page.page.click("text=Log in again")
    page.page.wait_for_url("**/login?next=%2F")


def test_without_its_history_the_page_says_so_and_stays_live(page: Tab, stage: Stage) -> None:
    stage.history.unlink()
    stage.history.mkdir()
    page.go("/check/own.switch")
    page.wait_for(".chart .notice.error")
    stage.conclude(own_report("broken"))
    page.wait_for("text=The monitor has a problem")
    page.wait_until_live()
    page.wait_for('h1 [data-status="fail"]')


def test_it_works_by_keyboard(page: Tab) -> None:
    page.see("status")
    window = page.page
    window.keyboard.press("Tab")
    assert window.evaluate("document.activeElement.className") == "skip"
    names = []
    for _ in range(12):
        window.keyboard.press("Tab")
        names.append(window.evaluate("document.activeElement.innerText"))
    assert {"Overview", "Alerts", "History", "Account"} <= set(names)
    window.locator("nav a", has_text="Alerts").focus()
    window.keyboard.press("Enter")
    window.wait_for_url("**/alerts")
    page.wait_until("document.activeElement.id === 'main'")


def test_every_page_is_accessible_and_fits_and_every_script_loads(
    browser: Any, stage: Stage, axe: str
) -> None:
    stage.conclude(own_report("broken"))
    width, height = SIZES["telephone"]
    with tab(browser, stage, viewport={"width": width, "height": height}) as page:
        page.look_at_every_page(axe)
        page.follow("/installs")
        assert "--health-submit" in page.see("empty").inner_text()
    every = {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.js")}
    # The public page has a script of its own.
    assert {path.removeprefix("static/") for path in page.scripts} == every - {"public.js"}
    assert len(every) > 10

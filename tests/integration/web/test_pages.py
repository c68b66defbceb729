"""The pages in a real Chromium: what a maintainer sees, does, and is told when something breaks."""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kit.redis import RedisServer
from tests.kit.site import PASSWORD, Site, site, wait_for

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt)")

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
]
PAGES = ("/", "/check/own.switch", "/fleet", "/alerts", "/npm", "/installs", "/hosts", "/login")
SIZES = {"desktop": (1280, 800), "telephone": (360, 740)}
MORE = '[web]\nsession = "8 h"\n[monitor]\nlimit = "10 s"\n'


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path / "app", MORE) as found:
        found.start()
        yield found


class Watched:
    """A tab, and all that it complained of or asked of others."""

    def __init__(self, tab: Any, site: Site) -> None:
        self.tab, self.site = tab, site
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        tab.on("console", self._said)
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("request", self._asked)

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} {message.location}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(
            (self.site.url, "data:", self.site.url.replace("http", "ws"))
        ):
            self.foreign.append(request.url)

    def go(self, path: str) -> None:
        self.tab.goto(f"{self.site.url.rstrip('/')}{path}")

    def see(self, name: str, **named: Any) -> Any:
        found = self.tab.locator(f'[data-test="{name}"]').first
        found.wait_for(timeout=20_000, **named)
        return found

    def log_in(self) -> None:
        self.go("/login?next=%2Falerts")
        self.tab.fill("#user", "admin")
        self.tab.fill("#password", PASSWORD)
        self.tab.click("button[type=submit]")
        self.tab.wait_for_url("**/alerts")

    def is_live(self) -> None:
        self.tab.wait_for_selector('html[data-live="live"]', timeout=20_000)


@contextmanager
def tab(browser: Any, page: Site, **settings: Any) -> Iterator[Watched]:
    context = browser.new_context(**settings)
    try:
        yield Watched(context.new_page(), page)
    finally:
        context.close()


def test_who_is_not_logged_in_is_led_to_the_log_in_and_back(browser: Any, page: Site) -> None:
    with tab(browser, page) as one:
        one.go("/check/own.switch?range=24h")
        one.tab.wait_for_url("**/login?next=*")
        one.tab.fill("#password", "wrong")
        one.tab.click("button[type=submit]")
        one.tab.wait_for_selector("text=the name or the password is wrong")
        one.tab.fill("#password", PASSWORD)
        one.tab.click("button[type=submit]")
        one.tab.wait_for_url("**/check/own.switch?range=24h")
        one.see("chart-own.figure")


@pytest.mark.parametrize(
    "path", ["//evil.example/", "/\\evil.example", "https://evil.example", "javascript:alert(1)"]
)
def test_the_log_in_leads_nowhere_else(browser: Any, page: Site, path: str) -> None:
    with tab(browser, page) as one:
        one.tab.goto(f"{page.url}login")
        one.tab.evaluate(
            "path => history.replaceState(null, '', '/login?next=' + encodeURIComponent(path))",
            path,
        )
        one.tab.reload()
        one.tab.fill("#password", PASSWORD)
        one.tab.click("button[type=submit]")
        one.see("status")
        assert one.tab.url == page.url
        assert one.foreign == []


def test_a_failure_is_seen_within_two_seconds_of_its_round(browser: Any, page: Site) -> None:
    with tab(browser, page) as one:
        one.log_in()
        one.go("/")
        one.is_live()
        assert one.see("status").inner_text().endswith("Healthy: every check passed")
        one.tab.evaluate(
            """() => { const look = () => {
              if (document.querySelector('[data-test="problem-own.switch"]')) window.seen = Date.now() / 1000;
              else requestAnimationFrame(look); }; look(); }"""
        )
        page.mode("broken")
        one.see("problem-own.switch")
        assert one.see("status").get_attribute("data-status") == "unhealthy"
        assert one.see("component-own").get_attribute("data-status") == "unhealthy"
        assert "the switch is at broken" in one.see("problem-own.switch").inner_text()
        seen = one.tab.evaluate("window.seen")
        page.monitor.until(page.monitor.told)
        fired = page.monitor.alert("own.switch")["fired"]
        assert seen - datetime.datetime.fromisoformat(fired).timestamp() < 2.0
        page.mode("ok")
        one.tab.wait_for_selector(
            '[data-test="problem-own.switch"]', state="detached", timeout=20_000
        )
        assert one.complaints == []
        assert one.foreign == []


def test_a_redis_that_stops_is_seen_before_its_next_round(browser: Any, tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        more = f'{MORE}[redis]\nurl = "{redis.url}"\n'
        with site(tmp_path / "app", more) as page:
            page.start("--health-component", "redis", interval="1h")
            with tab(browser, page) as one:
                one.log_in()
                one.go("/")
                one.is_live()
                # A busy machine may make a figure warn.
                one.see("component-redis")
                assert one.tab.locator('[data-test="problem-redis.connect"]').count() == 0
                redis.stop()
                told = one.see("problem-redis.connect").inner_text()
                assert "no Redis listens" in told
                assert "redis-server" in told
                assert one.see("status").get_attribute("data-status") == "unhealthy"
                redis.start()
                one.tab.wait_for_selector(
                    'h1:not([data-status="unhealthy"])', state="visible", timeout=20_000
                )
                assert one.complaints == []


def test_a_chart_its_limits_and_its_range(browser: Any, page: Site) -> None:
    with tab(browser, page) as one:
        one.log_in()
        page.monitor.rounds(3)
        one.go("/check/own.switch?range=15m")
        chart = one.see("chart-own.figure")
        one.tab.wait_for_selector('[data-test="chart-own.figure"][data-drawn]', timeout=20_000)
        assert "Last 3 ms" in chart.inner_text()
        assert chart.locator("canvas").count() == 1
        for name, query in (("24h", "range=24h"), ("90d", "range=90d")):
            one.tab.click(f'button[data-range="{name}"]')
            assert query in one.tab.url
            one.tab.wait_for_selector(f'button[data-range="{name}"][aria-pressed="true"]')
        one.tab.click('button[data-range="15m"]')
        box = chart.locator(".u-over").bounding_box()
        one.tab.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50)
        one.tab.mouse.down()
        one.tab.mouse.move(box["x"] + box["width"] * 0.999, box["y"] + 50, steps=5)
        one.tab.mouse.up()
        one.tab.wait_for_function("location.search.includes('since=')")
        # The address is the view: another tab shows the same.
        one.go(one.tab.url.removeprefix(page.url.rstrip("/")))
        one.tab.wait_for_selector('[data-test="chart-own.figure"][data-drawn]', timeout=20_000)
        one.see("unzoom").click()
        one.tab.wait_for_selector('button[data-range="1h"][aria-pressed="true"]')
        one.tab.go_back()
        one.tab.wait_for_function("location.search.includes('since=')")
        one.tab.wait_for_selector('[data-test="chart-own.figure"][data-drawn]', timeout=20_000)
        one.tab.locator(".u-over").dblclick()
        one.tab.wait_for_function("location.search === '?range=1h'")
        table = one.tab.locator("figure details summary")
        table.click()
        assert "3" in one.tab.locator("figure details tbody tr").first.inner_text()
        assert one.complaints == []


def test_silence_and_acknowledge(browser: Any, page: Site) -> None:
    with tab(browser, page) as one:
        one.log_in()
        page.mode("broken")
        alert = one.see("alert-own.switch")
        assert one.tab.locator("nav a", has_text="Alerts").inner_text() == "Alerts (1)"
        alert.locator('[data-test="acknowledge"]').click()
        one.tab.wait_for_selector("text=taken care of by admin", timeout=20_000)
        alert.locator("summary").click()
        alert.locator('input[name="reason"]').fill("planned")
        alert.locator('button[type="submit"]').click()
        silence = one.see("silence-own.switch")
        assert "by admin: planned" in silence.inner_text()
        one.tab.wait_for_selector("text=silenced until", timeout=20_000)
        silence.get_by_role("button").click()
        silence.wait_for(state="detached", timeout=20_000)
        told = [
            one["event"]
            for name in ("acknowledged", "silenced", "silence ended")
            for one in page.monitor.events(name)
        ]
        assert told == ["acknowledged", "silenced", "silence ended"]
        assert one.complaints == []


def test_hostile_texts_stay_texts(browser: Any, page: Site) -> None:
    page.mode("hostile")
    with tab(browser, page) as one:
        one.log_in()
        for path in (
            "/",
            "/check/own.switch",
            "/alerts",
            "/check/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
        ):
            one.go(path)
            one.tab.wait_for_timeout(1_500)
            assert one.tab.locator("img, main script").count() == 0
        one.go("/")
        assert "<img src=x onerror=alert(1)>" in one.see("problem-own.switch").inner_text()
        assert one.complaints == []


def test_it_says_since_when_it_is_not_live_and_comes_back(browser: Any, page: Site) -> None:
    with tab(browser, page) as one:
        one.log_in()
        one.go("/")
        one.is_live()
        page.monitor.end()
        one.tab.wait_for_selector('html[data-live="stale"]', timeout=20_000)
        assert one.see("live").inner_text().startswith("not live since ")
        assert one.see("status").is_visible()
        page.start(dashboard=str(page.port))
        one.is_live()
        page.mode("broken")
        one.see("problem-own.switch")


def test_what_a_stuck_monitor_last_said_is_not_live(browser: Any, page: Site) -> None:
    with tab(browser, page) as one:
        one.log_in()
        whole = one.tab.evaluate("fetch('/api/state').then((answer) => answer.json())")
        old = json.dumps({"type": "snapshot", **whole})
        one.tab.route_web_socket("**/api/live*", lambda socket: socket.send(old))
        one.go("/")
        one.see("status")
        one.tab.wait_for_selector('html[data-live="stale"]', timeout=20_000)
        for _ in range(30):  # it connects again meanwhile, and is told the same
            one.tab.wait_for_timeout(400)
            assert one.tab.locator("html").get_attribute("data-live") == "stale"


def test_a_page_that_is_not_there(browser: Any, page: Site) -> None:
    with tab(browser, page) as one:
        one.log_in()
        one.go("/nothing")
        one.tab.get_by_role("heading", name="There is no such page").wait_for()
        one.go("/check/%E0%A4%A")
        one.tab.wait_for_selector("text=No check %E0%A4%A has run")


def test_a_session_that_ran_out_is_told(browser: Any, tmp_path: Path) -> None:
    with site(tmp_path / "app", MORE.replace("8 h", "6 s")) as page:
        page.start()
        with tab(browser, page) as one:
            one.log_in()
            one.tab.wait_for_selector("text=Your session has ended", timeout=20_000)
            one.tab.click("text=Log in again")
            one.tab.wait_for_url("**/login?next=%2Falerts")


def test_the_history_is_gone(browser: Any, page: Site) -> None:
    with tab(browser, page) as one:
        one.log_in()
        page.monitor.history.unlink()
        page.monitor.history.mkdir()
        one.go("/check/own.switch")
        one.tab.wait_for_selector(".chart .notice.error", timeout=20_000)
        one.tab.wait_for_selector("text=The monitor has a problem", timeout=20_000)
        one.is_live()
        page.mode("broken")
        one.tab.wait_for_selector('h1 [data-status="fail"]', timeout=20_000)


def test_by_keyboard(browser: Any, page: Site) -> None:
    with tab(browser, page) as one:
        one.log_in()
        one.go("/")
        one.see("status")
        one.is_live()
        one.tab.keyboard.press("Tab")
        assert one.tab.evaluate("document.activeElement.className") == "skip"
        names = []
        for _ in range(12):
            one.tab.keyboard.press("Tab")
            names.append(one.tab.evaluate("document.activeElement.innerText"))
        assert {"Overview", "Fleet", "Alerts", "Hosts", "Account"} <= set(names)
        one.tab.locator("nav a", has_text="Alerts").focus()
        one.tab.keyboard.press("Enter")
        one.tab.wait_for_url("**/alerts")
        assert one.tab.evaluate("document.activeElement.id") == "main"


def test_the_first_load_is_small(browser: Any, page: Site) -> None:
    with tab(browser, page) as one:
        one.log_in()
        client = one.tab.context.new_cdp_session(one.tab)
        client.send("Network.enable")
        client.send("Network.setCacheDisabled", {"cacheDisabled": True})
        sizes: list[float] = []
        client.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
        for path in ("/", "/check/own.switch"):
            sizes.clear()
            one.go(path)
            one.is_live()
            one.tab.wait_for_timeout(1_000)
            assert 5_000 < sum(sizes) < 150_000, path


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("axe")
    done = subprocess.run(
        ["npm", "pack", "--silent", "axe-core@4.14.1"], cwd=folder, capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("axe-core can't be had from the registry")
    (archive,) = folder.glob("*.tgz")
    shutil.unpack_archive(archive, folder)
    return (folder / "package/axe.min.js").read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_fits(
    browser: Any, page: Site, axe: str, scheme: str, tmp_path: Path
) -> None:
    page.mode("broken")
    for size, (width, height) in SIZES.items():
        settings = {"color_scheme": scheme, "viewport": {"width": width, "height": height}}
        with tab(browser, page, **settings) as one:
            one.log_in()
            for path in PAGES:
                one.go(path)
                one.tab.wait_for_timeout(1_200)
                name = path.strip("/").replace("/", "-") or "overview"
                one.tab.screenshot(path=tmp_path / f"{name}-{scheme}-{size}.png", full_page=True)
                assert one.tab.evaluate("document.documentElement.scrollWidth") <= width, path
                assert _findings(one.tab, axe) == [], path
            assert one.complaints == []
            assert one.foreign == []
    assert len([*tmp_path.glob("*.png")]) == len(PAGES) * len(SIZES)


def _findings(tab: Any, axe: str) -> list[str]:
    # By the debugger's way: the page's own policy allows no foreign script.
    tab.evaluate(axe)
    found = tab.evaluate("axe.run().then(found => JSON.stringify(found.violations))")
    return [
        f"{one['id']}: {[node['html'] for node in one['nodes']][:3]}"
        for one in json.loads(found)
        if one["impact"] in ("serious", "critical")
    ]


def test_it_stays_logged_in_and_shows_the_same_over_a_restart(browser: Any, page: Site) -> None:
    with tab(browser, page) as one:
        one.log_in()
        page.monitor.end()
        page.start(dashboard=str(page.port))
        one.go("/")
        one.see("status")
        began = time.monotonic()
        wait_for(lambda: one.tab.evaluate("document.documentElement.dataset.live") == "live")
        assert time.monotonic() - began < 20

"""A tab of the shared Chromium on a page of ours: what it shows, complains of, and asks others for."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kit.browser import IDLE_PAGES
from tests.kit.sharing import shared_folder
from tests.kit.site import Served, Visitor
from tests.kit.waiting import wait_for
from tests.kit.web_app import PASSWORD

NAVIGATION = ("/", "/fleet", "/alerts", "/history", "/npm", "/installs", "/hosts")
SIZES = {"desktop": (1280, 800), "telephone": (360, 740)}
LONGEST = 60_000
"""Milliseconds after which a tab gives up; nothing is judged by it."""


class Tab:
    """A tab.

    Attributes:
        page: Playwright's own page.
        complaints: Errors and warnings of its console.
        foreign: Addresses of other servers that it asked.
        scripts: The paths of scripts that it loaded.
    """

    def __init__(self, page: Any, site: Served) -> None:
        self.page, self.site = page, site
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.scripts: set[str] = set()
        page.set_default_timeout(LONGEST)
        self._listeners = {
            "console": self._complained,
            "pageerror": lambda error: self.complaints.append(str(error)),
            "request": self._asked,
        }
        for event, listener in self._listeners.items():
            page.on(event, listener)

    def _complained(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} {message.location}")

    def _asked(self, request: Any) -> None:
        url = self.site.url
        if not request.url.startswith((url, "data:", url.replace("http", "ws"))):
            self.foreign.append(request.url)
        elif request.url.endswith(".js"):
            self.scripts.add(request.url.removeprefix(url))

    def leave(self) -> None:
        """Leave nothing behind for the next test but the process."""
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)
        self.page.unroute_all(behavior="ignoreErrors")
        self.page.mouse.move(0, 0)
        # The storage is that of the port, which is another one in the next test.
        self.page.goto("about:blank")
        self.page.context.clear_cookies()

    def go(self, path: str) -> None:
        """Load a page."""
        self.page.goto(f"{self.site.url.rstrip('/')}{path}")

    def see(self, name: str, **state: Any) -> Any:
        """Wait for the element that is marked for tests by this name, and return it."""
        found = self.page.locator(f'[data-test="{name}"]').first
        found.wait_for(**state)
        return found

    def wait_for(self, selector: str, **state: Any) -> None:
        """Wait for an element."""
        self.page.wait_for_selector(selector, **state)

    def enter(self, path: str) -> None:
        """Load a page as somebody who has logged in."""
        visitor = Visitor(self.site)
        assert visitor.log_in().ok
        cookies = [
            {"name": name, "value": value, "url": self.site.url}
            for name, value in visitor.session.cookies.items()
        ]
        self.page.context.add_cookies(cookies)
        self.go(path)

    def log_in(self, password: str = PASSWORD) -> None:
        """Fill in the form of the page for logging in, and send it."""
        self.page.fill("#user", "admin")
        self.page.fill("#password", password)
        self.page.click("button[type=submit]")

    def follow(self, path: str) -> None:
        """Go to a page by the navigation, which loads nothing but what is new.

        The navigation leaves out pages that do not apply to the target; these are opened by their address.
        """
        self.wait_until_live()
        link = self.page.locator(f'#nav a[href="{path}"]')
        if not link.is_visible():
            self.go(path)
            return
        link.click()
        self.wait_until("document.activeElement.id === 'main'")

    def wait_until(self, expression: str) -> None:
        """Wait until an expression of JavaScript is true.

        Playwright's own `wait_for_function` evaluates it in the page, whose policy forbids that.
        """
        wait_for(lambda: self.page.evaluate(expression), message=expression)

    def wait_until_live(self, how: str = "live") -> None:
        """Wait until it says that it is live; or `stale`."""
        self.wait_for(f'html[data-live="{how}"]')

    def settle(self) -> None:
        """Wait until the page shows what it has loaded: no request, and every spinner gone."""
        self.page.wait_for_load_state("networkidle")

    def assert_quiet(self) -> None:
        """Assert that it complained of nothing, and asked nobody else."""
        assert self.complaints == []
        assert self.foreign == []

    def look_at_every_page(self, axe: str) -> None:
        """Go to every page, and assert that each is accessible and fits."""
        self.go("/login")
        self.assert_accessible(axe)
        self.enter("/check/own.switch")
        for path in ("", *NAVIGATION):
            if path:
                self.follow(path)
            self.wait_until_live()
            self.settle()
            self.assert_accessible(axe)
        self.assert_quiet()

    def assert_accessible(self, axe: str) -> None:
        """Assert that axe-core finds nothing, and that nothing is wider than the window."""
        width = self.page.viewport_size["width"]
        assert self.page.evaluate("document.documentElement.scrollWidth") <= width, self.page.url
        # By the debugger's way: the page's own policy allows no foreign script.
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(axe)
        text = self.page.evaluate("axe.run().then(found => JSON.stringify(found.violations))")
        findings = [
            f"{finding['id']}: {[node['html'] for node in finding['nodes']][:3]}"
            for finding in json.loads(text)
        ]
        assert findings == [], f"{self.page.url}: {findings}"


@contextmanager
def tab(browser: Any, site: Served, *, alone: bool = False, **settings: Any) -> Iterator[Tab]:
    """Open a tab without cookies; it may be that of an earlier test, whose process is there already.

    Args:
        browser: The browser.
        site: What the tab is to show.
        alone: Whether the tab is a new one, which the test changes for good.
        settings: Those of a browser context, which also take a new tab.
    """
    if alone or settings:
        context = browser.new_context(**settings)
        yield Tab(context.new_page(), site)
        context.close()
        return
    page = IDLE_PAGES.pop() if IDLE_PAGES else browser.new_context().new_page()
    found = Tab(page, site)
    yield found
    found.leave()
    IDLE_PAGES.append(page)


def _fetch_axe(folder: Path) -> None:
    folder.mkdir()
    argv = ["npm", "pack", "--silent", "axe-core@4.14.1"]
    if subprocess.run(argv, cwd=folder, capture_output=True, check=False).returncode:
        pytest.skip("axe-core can't be had from the registry")
    (archive,) = folder.glob("*.tgz")
    shutil.unpack_archive(archive, folder)


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the script of axe-core, which is fetched once for all workers."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder = shared_folder(tmp_path_factory, "axe", _fetch_axe)
    return (folder / "package/axe.min.js").read_text()

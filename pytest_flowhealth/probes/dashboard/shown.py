"""Shows a page in Chromium and prints what it saw: `python -m pytest_flowhealth.probes.dashboard.shown`.

Reads an `Order` as JSON from standard input, and prints a `Shown` or a `Trouble`.
"""

from __future__ import annotations

import os
import sys
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from pytest_flowhealth.probes.dashboard.browser import Order, Shown, Trouble
from pytest_flowhealth.verdict.text import one_line

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Route

ARGUMENTS = (
    *("--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)

_MOST = 20
_REFUSED = "ERR_BLOCKED_BY_CLIENT"
_INLINE = ("data", "blob", "about")
_OF_SOCKETS = {"ws": "http", "wss": "https"}


def main() -> None:
    """Do what standard input says."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    sys.stdout.buffer.write(msgspec.json.encode(_told(order)))


def _told(order: Order) -> Shown | Trouble:
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            browser = _started(playwright, order)
        except Error as error:
            return Trouble(one_line(error.message, 200), browser=True)
        try:
            return _Visit(order, browser).made()
        except Error as error:
            return Trouble(one_line(error.message.partition("\n")[0], 200))
        finally:
            browser.close()


def _started(playwright: Playwright, order: Order) -> Browser:
    # Chromium's sandbox does not work for root.
    unsafe = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(
        executable_path=order.executable,
        args=[*ARGUMENTS, *unsafe],
        timeout=1_000.0 * order.timeout + 20_000.0,
    )


class _Visit:
    """One visit to the page, with what happens on it."""

    def __init__(self, order: Order, browser: Browser) -> None:
        self._order = order
        self._browser = browser
        self._errors: list[str] = []
        self._refused: dict[str, None] = {}

    def made(self) -> Shown:
        """Open the page, watch it, and return what was seen."""
        context = self._context()
        page = context.new_page()
        self._listen(page)
        page.goto(self._order.url, wait_until="load", timeout=1_000.0 * self._order.timeout)
        seen: dict[str, Any] = page.evaluate(
            "seconds => flowhealth.frames(seconds)", self._order.seconds
        )
        return Shown(
            frames=tuple(seen["frames"]),
            long_tasks=tuple(seen["tasks"]),
            paint=seen["paint"],
            errors=tuple(self._errors[:_MOST]),
            refused=tuple(self._refused)[:_MOST],
            version=self._browser.version,
            visible=seen["visible"],
        )

    def _context(self) -> BrowserContext:
        order = self._order
        context = self._browser.new_context(
            ignore_https_errors=order.trusting, service_workers="block"
        )
        context.add_cookies(
            [{"name": name, "value": value, "url": order.url} for name, value in order.cookies]
        )
        context.add_init_script(
            (resources.files("pytest_flowhealth.probes.dashboard") / "frames.js").read_text("utf-8")
        )
        context.route("**/*", self._decide)
        context.route_web_socket(self._is_strange, self._refuse_socket)
        return context

    def _listen(self, page: Page) -> None:
        def note(message: ConsoleMessage) -> None:
            # What we refused, the page can't help.
            if message.type == "error" and _REFUSED not in message.text:
                self._errors.append(one_line(message.text, 300))

        page.on("console", note)
        page.on("pageerror", lambda error: self._errors.append(one_line(error.message, 300)))

    def _decide(self, route: Route) -> None:
        """Ask the configured places alone, and tell the log-in's headers to nobody else."""
        url = route.request.url
        if urlsplit(url).scheme in _INLINE:
            route.continue_()
        elif _origin(url) in self._order.origins:
            route.continue_(headers={**route.request.headers, **self._order.headers})
        else:
            self._refused[_origin(url)] = None
            route.abort("blockedbyclient")

    def _is_strange(self, url: str) -> bool:
        return _origin(url) not in self._order.origins

    def _refuse_socket(self, socket: Any) -> None:
        self._refused[_origin(socket.url)] = None
        socket.close()


def _origin(url: str) -> str:
    """Return scheme, host and port as `Origin.text` has them; a WebSocket's is that of HTTP."""
    parts = urlsplit(url)
    scheme = _OF_SOCKETS.get(parts.scheme, parts.scheme)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}.get(scheme)
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return f"{scheme}://{host}{port}"


if __name__ == "__main__":
    main()

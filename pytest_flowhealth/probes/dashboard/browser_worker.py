"""Shows a page in Chromium and prints what it saw: `python -m pytest_flowhealth.probes.dashboard.browser_worker`.

Reads an `BrowserTask` as JSON from standard input, and prints a `BrowserView` or a `BrowserFailure`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from pytest_flowhealth.domain.text import format_number, one_line
from pytest_flowhealth.probes.dashboard.browser import (
    STARTING,
    BrowserFailure,
    BrowserTask,
    BrowserView,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Route
    from playwright.sync_api import Error as BrowserError

ARGUMENTS = (
    *("--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)

_MOST = 20
_REFUSED = "ERR_PROXY_CONNECTION_FAILED"
_NOT_LOADED = "Failed to load resource"
_ICON = "/favicon.ico"
_PORTS = {"http": 80, "https": 443}
_OF_SOCKETS = {"ws": "http", "wss": "https"}
_EMPTY_SECONDS = 1.0
_TICK = 50.0


def main() -> None:
    """Do what standard input says."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=BrowserTask)
    sys.stdout.buffer.write(msgspec.json.encode(_show_page(task)))


def _show_page(task: BrowserTask) -> BrowserView | BrowserFailure:
    from playwright.sync_api import Error, sync_playwright

    with _nowhere() as port, sync_playwright() as playwright:
        try:
            browser = _started(playwright, task, port)
        except Error as error:
            return BrowserFailure(_describe_error(error), browser=True)
        try:
            return visit(task, browser)
        finally:
            browser.close()


def visit(task: BrowserTask, browser: Browser) -> BrowserView | BrowserFailure:
    """Show the page in a browser that runs; who may be asked is up to how it was started."""
    from playwright.sync_api import Error

    try:
        return _Visit(task, browser).run()
    except Error as error:
        return BrowserFailure(_describe_error(error))


def _describe_error(error: BrowserError) -> str:
    """Return what an error says, without its log, its function and the address, which may be secret."""
    first = error.message.partition("\n")[0].partition(" at http")[0]
    return one_line(first.partition(": ")[2] or first, 200)


@contextlib.contextmanager
def _nowhere() -> Iterator[int]:
    """Yield a port of this machine that nobody listens at, and nobody else can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def _started(playwright: Playwright, task: BrowserTask, nowhere: int) -> Browser:
    # Chromium's sandbox does not work for root.
    unsafe = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(
        executable_path=task.executable,
        args=[*ARGUMENTS, *_guards(task.origins, nowhere), *unsafe],
        timeout=1_000.0 * STARTING,
    )


def _guards(origins: Iterable[str], nowhere: int) -> list[str]:
    """Return the arguments with which the browser reaches the servers of `origins`, and nobody else.

    All others are behind a proxy that is not there: redirects, workers and WebSockets, which
    Playwright's routes don't see, end there, as do the browser's own errands. The rules:
    chromium.googlesource.com/chromium/src/+/HEAD/net/docs/proxy.md
    """
    parts = [urlsplit(origin) for origin in origins]
    places = [
        part.netloc if part.port else f"{part.netloc}:{_PORTS[part.scheme]}" for part in parts
    ]
    names = [f"EXCLUDE {part.hostname}" for part in parts]
    return [
        f"--proxy-server=http://127.0.0.1:{nowhere}",
        f"--proxy-bypass-list={';'.join(['<-loopback>', *places])}",
        f"--host-resolver-rules={', '.join(['MAP * ~NOTFOUND', *names])}",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    ]


class _PageRecord(msgspec.Struct, frozen=True):
    """What the page tells of itself (frames.js), in ms."""

    frames: tuple[float, ...]
    tasks: tuple[float, ...]
    paint: float | None
    visible: bool


class _Visit:
    """One visit to the page, with what happens on it."""

    def __init__(self, task: BrowserTask, browser: Browser) -> None:
        self._task = task
        self._browser = browser
        self._errors: list[str] = []
        self._refused: dict[str, None] = {}
        self._records: list[_PageRecord] = []

    def run(self) -> BrowserView | BrowserFailure:
        """Open the page, watch it, and return what was seen."""
        context = self._context()
        blank = context.new_page()
        empty = self._watch_page(blank, "about:blank", _EMPTY_SECONDS)
        blank.close()
        page = context.new_page()
        self._listen(page)
        # It stays open until the browser ends: closing one that loads itself again may never return.
        record = self._watch_page(page, self._task.url, self._task.seconds)
        if empty is None or record is None:
            return BrowserFailure(
                f"it was not still for {format_number(self._task.seconds)} s: its code does not end, "
                "or it loads itself again"
            )
        return BrowserView(
            frames=record.frames,
            long_tasks=record.tasks,
            paint=record.paint,
            errors=tuple(self._errors[:_MOST]),
            refused=tuple(self._refused)[:_MOST],
            version=self._browser.version,
            visible=record.visible,
            empty=empty.frames,
        )

    def _watch_page(self, page: Page, url: str, seconds: float) -> _PageRecord | None:
        """Return what a page saw of itself; None where it did not tell in time.

        It tells by itself: what asks it has no limit, and waits for ever for code that never ends.
        """
        page.add_init_script(f"{_script()}({seconds});")
        self._records.clear()
        page.goto(url, wait_until="load", timeout=1_000.0 * self._task.timeout)
        end = time.monotonic() + seconds + self._task.timeout + 2.0
        while not self._records and time.monotonic() < end:
            page.wait_for_timeout(_TICK)
        return self._records[0] if self._records else None

    def _context(self) -> BrowserContext:
        task = self._task
        given = task.credentials
        context = self._browser.new_context(
            accept_downloads=False,
            http_credentials=None
            if given is None
            else {"username": given.user, "password": given.password, "origin": given.origin},
            ignore_https_errors=task.trusting,
            service_workers="block",
        )
        context.add_cookies(
            [
                {
                    "name": cookie.name,
                    "value": cookie.value,
                    "domain": cookie.domain,
                    "path": cookie.path,
                    "secure": cookie.secure,
                    "httpOnly": cookie.http_only,
                    "expires": float(cookie.expires or -1),
                }
                for cookie in task.cookies
            ]
        )
        context.expose_function("flowhealthTold", self._take_record)
        if task.headers:
            context.route(self._is_ours, self._add_headers)
        return context

    def _listen(self, page: Page) -> None:
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self._errors.append(one_line(error.message, 300)))
        page.on("request", lambda request: self._note_request(request.url))
        page.on("websocket", lambda socket: self._note_request(socket.url))

    def _take_record(self, text: str) -> None:
        with contextlib.suppress(msgspec.DecodeError):
            self._records.append(msgspec.json.decode(text, type=_PageRecord))

    def _note_console(self, message: ConsoleMessage) -> None:
        # What we refused, the page can't help.
        if message.type != "error" or _REFUSED in message.text:
            return
        place = ""
        if message.text.startswith(_NOT_LOADED):
            place = urlsplit(message.location["url"]).path
        # The icon is what the browser asks for by itself.
        if place != _ICON:
            self._errors.append(one_line(f"{message.text} {place}", 300))

    def _note_request(self, url: str) -> None:
        if not self._is_ours(url) and _scheme(url) in _PORTS:
            self._refused[_origin(url)] = None

    def _is_ours(self, url: str) -> bool:
        return _origin(url) in self._task.origins

    def _add_headers(self, route: Route) -> None:
        route.continue_(headers={**route.request.headers, **self._task.headers})


def _script() -> str:
    return (
        (resources.files("pytest_flowhealth.probes.dashboard") / "frames.js")
        .read_text("utf-8")
        .rstrip()
    )


def _scheme(url: str) -> str:
    scheme = urlsplit(url).scheme
    return _OF_SOCKETS.get(scheme, scheme)


def _origin(url: str) -> str:
    """Return scheme, host and port as `Origin.text` has them; a WebSocket's is that of HTTP."""
    parts = urlsplit(url)
    scheme = _scheme(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    usual = _PORTS.get(scheme)
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return f"{scheme}://{host}{port}"


if __name__ == "__main__":
    main()

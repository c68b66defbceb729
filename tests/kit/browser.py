"""One Chromium for all tests of a worker, driven by Playwright.

A test asks for the fixture `browser` and opens contexts or pages in it; they are closed after the
test. Pages of several tests share nothing but the process.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil
import pytest

from pytest_flowhealth.probes.dashboard.browser_worker import ARGUMENTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


IDLE_PAGES: list[Page] = []
"""Blank pages of this worker's Chromium that tests take over: a new one takes three times as long."""


def require_chromium() -> str:
    """Return the path of this machine's Chromium; skip the test if it or Playwright is missing."""
    pytest.importorskip(
        "playwright.sync_api",
        reason="Playwright is not installed: pip install 'pytest-flowhealth[browser]'",
    )
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    return path


def processes_with(word: str) -> list[str]:
    """Return the command lines of the processes of this machine that contain `word`."""
    lines = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            lines.append(" ".join(process.cmdline()))
    return [line for line in lines if word in line]


class SharedBrowser:
    """A running Chromium that tests borrow, one after the other.

    Playwright's synchronous API leaves its event loop marked as running in this thread, and
    `asyncio.run` in any other test would refuse to start. The mark is therefore set only while
    a test has borrowed the browser.
    """

    def __init__(self) -> None:
        path = require_chromium()
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._loop = asyncio.get_running_loop()
        # Chromium's sandbox does not work for root.
        unsafe = ["--no-sandbox"] if os.geteuid() == 0 else []
        try:
            self._browser = self._playwright.chromium.launch(
                executable_path=path, args=[*ARGUMENTS, *unsafe], timeout=120_000
            )
        finally:
            asyncio._set_running_loop(None)

    @contextmanager
    def borrowed(self) -> Iterator[Browser]:
        """Lend the browser, and close every context afterwards but those of `IDLE_PAGES`."""
        asyncio._set_running_loop(self._loop)
        try:
            yield self._browser
        finally:
            idle = [page.context for page in IDLE_PAGES]
            for context in self._browser.contexts:
                if context not in idle:
                    context.close()
            asyncio._set_running_loop(None)

    def close(self) -> None:
        """End Chromium and Playwright."""
        asyncio._set_running_loop(self._loop)
        try:
            self._browser.close()
            self._playwright.stop()
        finally:
            asyncio._set_running_loop(None)

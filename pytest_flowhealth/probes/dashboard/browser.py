"""The page in a real Chromium, as a person sees it: frames, long tasks, errors.

The browser runs in a program of its own (shown.py), so that whatever it does ends with it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys

import msgspec

from pytest_flowhealth.errors import NotApplicable, ProbeError, Unmeasured
from pytest_flowhealth.probes import command
from pytest_flowhealth.probes.dashboard.site import Site
from pytest_flowhealth.verdict.text import one_line

SECONDS = 5.0
"""How long frames are counted."""

LONGEST = 60.0
"""Seconds after which the browser is ended."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class Order(msgspec.Struct, frozen=True):
    """What the program is to do: which page, with what, and who else may be asked.

    `headers` go to the `origins` alone, which are those of the configured addresses.
    """

    url: str
    executable: str | None
    seconds: float
    timeout: float
    origins: tuple[str, ...]
    headers: dict[str, str]
    cookies: tuple[tuple[str, str], ...]
    trusting: bool


class Shown(msgspec.Struct, frozen=True):
    """What a browser saw.

    Attributes:
        frames: The time between each two frames, in ms.
        long_tasks: Tasks of over 50 ms that kept the page busy, in ms (w3c.github.io/longtasks).
        paint: When the largest content was painted, in ms since the page was asked for; None
            where the browser did not tell (w3c.github.io/largest-contentful-paint).
        errors: What the console told as errors, and what no code caught.
        refused: Places that the page asked for and that are not configured: they were not asked.
        version: The browser's.
        visible: Whether the page took itself to be visible.
    """

    frames: tuple[float, ...]
    long_tasks: tuple[float, ...]
    paint: float | None
    errors: tuple[str, ...]
    refused: tuple[str, ...]
    version: str
    visible: bool


class Trouble(msgspec.Struct, frozen=True):
    """Why there is nothing to tell: `browser` where no browser could be started."""

    problem: str
    browser: bool = False


def show(site: Site) -> Shown:
    """Show the page for five seconds.

    Raises:
        NotApplicable: Playwright, or a Chromium, is not installed.
        ProbeError: The page can't be shown.
        Unmeasured: The browser told nothing.
    """
    if importlib.util.find_spec("playwright") is None:
        raise NotApplicable(
            "a real browser is driven by Playwright, which is not installed: "
            "pip install 'pytest-flowhealth[browser]'"
        )
    order = msgspec.json.encode(_order(site))
    argv = [sys.executable, "-m", "pytest_flowhealth.probes.dashboard.shown"]
    done = command.run(argv, timeout=LONGEST + site.timeout, stdin=order)
    try:
        told = msgspec.json.decode(done.stdout, type=Shown)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    else:
        return told
    try:
        trouble = msgspec.json.decode(done.stdout, type=Trouble)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = one_line((done.stderr.strip().splitlines() or ["nothing"])[-1], 200)
        raise Unmeasured(f"the browser told nothing; it said: {said}") from None
    if trouble.browser:
        raise NotApplicable(
            f"no Chromium can be started ({trouble.problem}): apt-get install chromium, "
            "or playwright install chromium"
        )
    raise ProbeError(f"{site.page.shown} can't be shown in a browser: {trouble.problem}")


def _order(site: Site) -> Order:
    headers = dict(site.access.headers(site.page))
    headers.pop("Cookie", None)
    sockets = [site.websocket.origin] if site.websocket else []
    return Order(
        url=site.page.url,
        executable=_executable(site.settings.browser),
        seconds=SECONDS,
        timeout=site.timeout,
        origins=tuple(sorted({one.text for one in (*site.origins, *sockets)})),
        headers=headers,
        cookies=site.access.cookies,
        # A browser knows no authority of ours; that the certificate is good, the HTTP check says.
        trusting=site.settings.ca is not None,
    )


def _executable(configured: str | None) -> str | None:
    """Return the program to start, None for Playwright's own.

    Raises:
        ProbeError: The configured one is not there.
    """
    if configured is not None:
        found = shutil.which(configured)
        if found is None:
            raise ProbeError(f"dashboard.browser names {configured!r}, which can't be run")
        return found
    named = os.environ.get("CHROMIUM")
    candidates = (named,) if named else _NAMES
    return next((path for one in candidates if (path := shutil.which(one))), None)

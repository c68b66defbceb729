"""The page in a real Chromium, as a person sees it: frames, long tasks, errors.

The browser runs in a program of its own (browser_worker.py), so that whatever it does ends with it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator

import msgspec
import psutil

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes import command
from pytest_flowhealth.probes.dashboard.cookies import Cookie, parse_cookie_pairs
from pytest_flowhealth.probes.dashboard.site import Site, make_redactor

SECONDS = 5.0
"""How long frames are counted."""

STARTING = 40.0
"""Seconds that the browser may take to start."""

_BESIDES = 20.0
_ENDING = 3.0

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class Credentials(msgspec.Struct, frozen=True):
    """A user and a password, and the origin that may ask for them (RFC 7617)."""

    origin: str
    user: str
    password: str


class BrowserTask(msgspec.Struct, frozen=True):
    """What the program is to do: which page, with what, and who may be asked.

    `origins` are those of the configured addresses; nobody else is reached, and `headers` go to
    each of them.
    """

    url: str
    executable: str | None
    seconds: float
    timeout: float
    origins: tuple[str, ...]
    headers: dict[str, str]
    cookies: tuple[Cookie, ...]
    credentials: Credentials | None
    trusting: bool


class BrowserView(msgspec.Struct, frozen=True):
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
        empty: The time between frames of an empty page, in ms, as the same browser drew it just
            before: what this machine can do at best.
    """

    frames: tuple[float, ...]
    long_tasks: tuple[float, ...]
    paint: float | None
    errors: tuple[str, ...]
    refused: tuple[str, ...]
    version: str
    visible: bool
    empty: tuple[float, ...]


class BrowserFailure(msgspec.Struct, frozen=True):
    """Why there is nothing to tell: `browser` where no browser could be started."""

    problem: str
    browser: bool = False


def show(site: Site) -> BrowserView:
    """Show the page for five seconds.

    Raises:
        NotApplicable: Playwright, or a Chromium, is not installed.
        CheckFailed: The page can't be shown, or the configured browser is not there.
        MeasurementUnavailable: The browser can't be started, or told nothing.
    """
    if importlib.util.find_spec("playwright") is None:
        raise NotApplicable(
            "a real browser is driven by Playwright, which is not installed: "
            "pip install 'pytest-flowhealth[browser]'"
        )
    task = make_task(site)
    result = _run_browser(task, STARTING + 3 * site.timeout + _BESIDES)
    if isinstance(result, BrowserView):
        # What a page writes to its console may be what it was given to log in.
        redact = make_redactor(site.settings, site.access)
        return msgspec.structs.replace(result, errors=tuple(map(redact, result.errors)))
    if not result.browser:
        raise CheckFailed(
            f"{site.page.shown} can't be shown in a browser: {result.problem}",
            diagnosis="the page's console in a browser",
        )
    if task.executable is None:
        raise NotApplicable(
            "Playwright is installed and no Chromium is: apt-get install chromium, "
            "or playwright install chromium"
        )
    raise MeasurementUnavailable(
        f"{task.executable} can't be started: {result.problem}",
        diagnosis=f"{task.executable} --headless --dump-dom about:blank",
    )


def _run_browser(task: BrowserTask, timeout: float) -> BrowserView | BrowserFailure:
    # -P: what lies in the current folder, which is the target's, is not imported.
    argv = [sys.executable, "-P", "-m", "pytest_flowhealth.probes.dashboard.browser_worker"]
    with _scratch() as folder:
        done = command.run(
            argv,
            timeout=timeout,
            stdin=msgspec.json.encode(task),
            env={**os.environ, "TMPDIR": folder},
        )
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(done.stdout, type=BrowserView)
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(done.stdout, type=BrowserFailure)
    line = one_line((done.stderr.strip().splitlines() or ["nothing"])[-1], 200)
    raise MeasurementUnavailable(f"the browser reported nothing; it wrote: {line}")


@contextlib.contextmanager
def _scratch() -> Iterator[str]:
    """Yield a folder for the browser's profile; where it had to be killed, nothing of it stays."""
    with tempfile.TemporaryDirectory(prefix="flowhealth-", ignore_cleanup_errors=True) as folder:
        try:
            yield folder
        except BaseException:
            _end_those_in(folder)
            raise


def _end_those_in(folder: str) -> None:
    """End the browser's processes, which are in a session of their own, and write as they end."""
    ended = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(folder in word for word in process.cmdline()):
                process.kill()
                ended.append(process)
    psutil.wait_procs(ended, timeout=_ENDING)


def make_task(site: Site) -> BrowserTask:
    """Return what the program is to do for a site.

    Raises:
        CheckFailed: The browser that is named is not there.
    """
    page, access = site.page, site.access
    origins = sorted(site.origins, key=lambda origin: origin.text)
    configured = access.cookie or ""
    return BrowserTask(
        url=page.url,
        executable=_executable(site.settings.browser),
        seconds=SECONDS,
        timeout=site.timeout,
        origins=tuple(origin.text for origin in origins),
        headers={} if access.authorization is None else {"Authorization": access.authorization},
        cookies=(
            *access.cookies,
            *(
                cookie
                for host in {o.host for o in origins}
                for cookie in parse_cookie_pairs(configured, host)
            ),
        ),
        credentials=None
        if page.user is None
        else Credentials(page.origin.text, page.user, page.password or ""),
        # A browser knows no authority of ours; that the certificate is good, the HTTP check says.
        trusting=site.settings.ca is not None,
    )


def _executable(configured: str | None) -> str | None:
    """Return the program to start, None for Playwright's own.

    Raises:
        CheckFailed: The one that is named is not there.
    """
    named, by = configured, "dashboard.browser"
    if named is None:
        named, by = os.environ.get("CHROMIUM") or None, "the variable CHROMIUM"
    if named is None:
        return next((path for name in _NAMES if (path := shutil.which(name))), None)
    found = shutil.which(named)
    if found is None:
        raise CheckFailed(
            f"{by} names {named!r}, which can't be run", remedy="apt-get install chromium"
        )
    return found

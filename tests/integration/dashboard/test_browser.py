"""The page in a real Chromium.

What a visit sees is tested in the browser that all tests share. Whom the browser may reach depends
on how it is started, and is tested through `browser.show`, which starts its own.
"""

from __future__ import annotations

import itertools
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.dashboard import browser as probe
from pytest_flowhealth.probes.dashboard import browser_worker
from pytest_flowhealth.probes.dashboard.browser import BrowserFailure, BrowserView, make_task
from tests.kit.browser import processes_with, require_chromium
from tests.kit.dashboard import MakeSite
from tests.kit.http import HttpServer, Reply, Request
from tests.kit.waiting import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SECRET = "Xk7-geheim"
QUIET = '<!doctype html><link rel="icon" href="data:,"><h1>Fleet</h1>'
Web = Callable[..., HttpServer]
Visit = Callable[..., BrowserView | BrowserFailure]


def html(text: str, status: int = 200, **headers: str) -> Reply:
    """Return a reply with a page."""
    return Reply(text.encode(), status, {"content-type": "text/html", **headers})


@pytest.fixture
def web() -> Iterator[Web]:
    """Return a function that starts a server with pages by their path; others are quiet."""
    with ExitStack() as stack:

        def start(pages: Mapping[str, Reply] = {}, host: str = "127.0.0.1") -> HttpServer:
            server = HttpServer(lambda request: pages.get(request.path, html(QUIET)), host)
            return stack.enter_context(server)

        yield start


@pytest.fixture
def visit(browser: Browser, make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> Visit:
    """Return a function that shows a page in the shared browser, after an empty one."""

    def visit(
        url: str, seconds: float = 0.3, empty: float = 0.1, **settings: object
    ) -> BrowserView | BrowserFailure:
        monkeypatch.setattr(browser_worker, "_EMPTY_SECONDS", empty)
        task = make_task(make_site(url=url, **{"timeout": "20 s", **settings}))
        return browser_worker.visit(msgspec.structs.replace(task, seconds=seconds), browser)

    return visit


def test_a_quiet_page_draws_frames_has_no_errors_and_gets_the_token(web: Web, visit: Visit) -> None:
    server = web()
    login = {"method": "bearer", "secret": SECRET}
    found = visit(f"{server.url}/", seconds=1, empty=1, login=login)
    assert isinstance(found, BrowserView)
    assert (found.errors, found.refused, found.visible) == ((), (), True)
    assert found.frames
    assert found.empty
    (request,) = server.requests
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert "cookie" not in request.headers


def test_a_busy_page_has_long_frames_and_long_tasks_even_if_it_replaces_what_measures_them(
    web: Web, visit: Visit
) -> None:
    script = """
      const now = performance.now.bind(performance);
      requestAnimationFrame = performance.now = null;
      setTimeout(() => alert("x"), 50);
      setInterval(() => { const end = now() + 80; while (now() < end); }, 100)"""
    found = visit(f"{web({'/': html(f'{QUIET}<script>{script}</script>')}).url}/", seconds=2)
    assert isinstance(found, BrowserView)
    # 80 ms of every 100 are taken: the frames in between can't be drawn.
    assert max(found.frames) >= 80
    assert sum(found.frames) >= 1_000
    assert len(found.long_tasks) > 2
    assert found.paint is not None


def test_errors_of_the_console_and_missing_files_are_named_without_a_query(
    web: Web, visit: Visit
) -> None:
    page = html(
        "<!doctype html><h1>Fleet</h1><img src=/missing?token=t0ken><script>"
        "console.error(`from ${document.cookie}`);"
        "setTimeout(() => { throw new Error('thrown'); }, 10);</script>"
    )
    # The icon that the browser requests by itself is no error of the page.
    missing = {name: html("", 404) for name in ("/favicon.ico", "/missing")}
    server = web({"/": page, **missing})
    found = visit(f"{server.url}/", login={"method": "cookie", "secret": "sid=k1"})
    assert isinstance(found, BrowserView)
    assert len(found.errors) == 3
    for words in ("from sid=k1", "thrown", "404 (Not Found) /missing"):
        assert any(words in error for error in found.errors), found.errors
    assert "t0ken" not in str(found.errors)
    assert server.requests[0].headers["cookie"] == "sid=k1"
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("script", ["for (;;);", "location.reload()"])
def test_a_page_that_does_not_come_to_rest_is_trouble(
    web: Web, visit: Visit, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    # Three seconds of the clock pass with each look, of which there are twenty a second.
    clock = SimpleNamespace(monotonic=itertools.count(step=3).__next__)
    monkeypatch.setattr(browser_worker, "time", clock)
    pages = {"/": html(f"{QUIET}<script>setTimeout(() => {{ {script} }}, 100)</script>")}
    server = web(pages)
    found = visit(f"{server.url}/", seconds=10, timeout="10 s")
    assert isinstance(found, BrowserFailure)
    assert "its code does not end, or it loads itself again" in found.problem
    if "reload" in script:
        # Only a page at rest can be closed for certain.
        pages["/"] = html(QUIET)
        before = len(server.requests)
        wait_for(lambda: len(server.requests) > before)


def test_a_page_that_never_finishes_loading_is_trouble(web: Web, visit: Visit) -> None:
    page = html(f"{QUIET}<script>for (;;);</script>")
    found = visit(f"{web({'/': page}).url}/", timeout="1 s")
    assert isinstance(found, BrowserFailure)
    assert "Timeout" in found.problem


def test_a_page_that_nobody_serves_is_trouble_without_the_address(visit: Visit) -> None:
    found = visit(f"http://127.0.0.1:9/?key={SECRET}")
    assert isinstance(found, BrowserFailure)
    assert "ERR_" in found.problem
    assert SECRET not in found.problem


ASKS = """<!doctype html><title>x</title><link rel="icon" href="data:,"><h1>Fleet</h1>
<link rel=preconnect href=http://{strange}><link rel=prefetch href=http://{strange}/prefetch>
<img src=/away/image><iframe src=/away/frame></iframe><script src=http://{strange}/script></script>
<img src=http://{counter}/image>
<script>
  fetch("/away/fetch").catch(() => {{}});
  navigator.sendBeacon("http://{strange}/beacon", "x");
  new WebSocket("ws://{strange}/socket");
  const code = `fetch("http://{strange}/worker").catch(() => {{}}); new WebSocket("ws://{strange}/worker")`;
  new Worker(URL.createObjectURL(new Blob([code])));
</script>"""


def test_nobody_but_the_configured_servers_is_reached_by_a_redirect_a_worker_or_a_socket(
    web: Web, make_site: MakeSite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    require_chromium()
    monkeypatch.setattr(probe, "SECONDS", 1.0)
    # A module in the current folder, which is the target's, is not taken for the program's own.
    (tmp_path / "msgspec.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)
    strange = web()
    counter = web(host="::1" if socket.has_dualstack_ipv6() else "127.0.0.1")
    asks = ASKS.format(strange=strange.url[7:], counter=counter.url[7:])

    def respond(request: Request) -> Reply:
        if request.path.startswith("/away"):
            return Reply(status=302, headers={"location": f"{strange.url}{request.path}"})
        if "authorization" not in request.headers:
            return Reply(status=401, headers={"www-authenticate": 'Basic realm="x"'})
        return html(asks)

    with HttpServer(respond) as page:
        found = probe.show(
            make_site(
                url=f"http://user:{SECRET}@{page.url[7:]}/secret",
                connections={"url": f"{counter.url}/count"},
                timeout="60 s",
            )
        )
        assert strange.requests == []
        assert found.refused == (strange.url,)
        # What the browser refuses is no error of the page.
        assert found.errors == ()
        # The password is for the server that it was configured for.
        (image,) = counter.requests
        assert (image.path, image.headers.get("authorization")) == ("/image", None)
        assert any("authorization" in one.headers for one in page.requests)


def test_a_browser_that_must_be_killed_leaves_no_process_and_no_file(
    web: Web, make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_chromium()
    site = make_site(url=f"{web().url}/", timeout="1 s")
    # Not tmp_path, which is longer than the path of a Unix socket may be.
    with tempfile.TemporaryDirectory(prefix="fh-") as temporary:
        monkeypatch.setattr(tempfile, "tempdir", temporary)
        monkeypatch.setattr(probe, "STARTING", 0.0)
        monkeypatch.setattr(probe, "_BESIDES", 0.0)
        with pytest.raises(MeasurementUnavailable, match="gave no answer within 3 s"):
            probe.show(site)
        assert list(Path(temporary).iterdir()) == []
        assert processes_with(temporary) == []


def test_a_browser_that_ends_at_once_cannot_be_started(make_site: MakeSite, tmp_path: Path) -> None:
    pytest.importorskip("playwright")
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(MeasurementUnavailable, match="can't be started"):
        probe.show(make_site(url="http://127.0.0.1:9/", browser=str(broken)))

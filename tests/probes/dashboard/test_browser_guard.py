"""A browser that reaches nobody but the configured servers, and pages that don't behave."""

from __future__ import annotations

import http.server
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.dashboard import browser
from pytest_flowhealth.probes.dashboard.site import of_target
from tests.probes.dashboard.test_browser import chromium

pytest.importorskip("playwright")

__all__ = ["chromium"]

Configure = Callable[..., Target]

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
STAYS = '<!doctype html><link rel="icon" href="data:,"><h1>Fleet</h1>'


class Place:
    """A server that notes who asks it for what; `pages` by their path."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET) -> None:
        self.pages: dict[str, str] = {}
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.away = ""
        self.missing: tuple[str, ...] = ()
        place = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                place.answer(self)

            do_POST = do_GET

            def log_message(self, *args: object) -> None:
                del args

        class Server(http.server.ThreadingHTTPServer):
            address_family = family

        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self.server = Server((host, 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        shown = f"[{host}]" if ":" in host else host
        self.at = f"{shown}:{self.server.server_port}"

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        headers = request.headers
        self.asked.append((request.path, headers.get("Authorization"), headers.get("Cookie")))
        if self.away and request.path.startswith("/away"):
            status, extra, body = 302, ("Location", f"http://{self.away}{request.path}"), b""
        elif request.path == "/secret" and "Authorization" not in headers:
            status, extra, body = 401, ("WWW-Authenticate", 'Basic realm="x"'), b""
        elif request.path.startswith(self.missing):
            status, extra, body = 404, ("Content-Type", "text/html"), b""
        else:
            body = self.pages.get(request.path, STAYS).encode()
            status, extra = 200, ("Content-Type", "text/html")
        request.send_response(status)
        request.send_header(*extra)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def place() -> Iterator[Callable[..., Place]]:
    """Return a function that starts a server."""
    started: list[Place] = []

    def start(family: socket.AddressFamily = socket.AF_INET) -> Place:
        started.append(Place(family))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def show(configure: Configure, chromium: str) -> Callable[..., browser.Shown]:
    """Return a function that shows a page."""

    def show(url: str, **settings: object) -> browser.Shown:
        settings = {"browser": chromium, "timeout": "5 s"} | settings
        return browser.show(of_target(configure(url=url, **settings)))

    return show


def test_nobody_else_is_asked_by_a_redirect_a_worker_or_a_socket(
    place: Callable[..., Place], show: Callable[..., browser.Shown]
) -> None:
    page, strange, counter = place(), place(), place()
    page.away = strange.at
    page.pages["/secret"] = ASKS.format(strange=strange.at, counter=counter.at)
    found = show(
        f"http://user:Xk7-geheim@{page.at}/secret",
        connections={"url": f"http://{counter.at}/count"},
    )

    assert strange.asked == []
    assert found.refused == (f"http://{strange.at}",)
    # What we refuse is no error of the page's.
    assert found.errors == ()
    # The password is for the server that it was given for.
    assert counter.asked == [("/image", None, None)]
    assert any(path == "/secret" and given for path, given, _ in page.asked)


def test_a_page_that_leads_elsewhere(
    place: Callable[..., Place], show: Callable[..., browser.Shown]
) -> None:
    page, strange = place(), place()
    page.away = strange.at
    with pytest.raises(CheckFailed, match="can't be shown in a browser") as caught:
        show(f"http://{page.at}/away?key=Xk7-geheim")
    assert "geheim" not in f"{caught.value}{caught.value.remedy}"
    assert strange.asked == []


@pytest.mark.parametrize(
    "login",
    [
        {"method": "bearer", "secret": "Xk7-geheim"},
        {"method": "cookie", "secret": "sid=Xk7-geheim"},
    ],
)
def test_log_in(
    place: Callable[..., Place], show: Callable[..., browser.Shown], login: dict[str, str]
) -> None:
    page = place()
    show(f"http://{page.at}/", login=login)
    wanted = ("Bearer Xk7-geheim", None) if login["method"] == "bearer" else (None, login["secret"])
    assert [given for _, *given in page.asked] == [list(wanted)]


def test_what_the_page_writes_to_its_console_is_told_without_the_secret(
    place: Callable[..., Place], show: Callable[..., browser.Shown]
) -> None:
    page = place()
    page.pages["/"] = STAYS + "<script>console.error('cookies: ' + document.cookie)</script>"
    login = {"method": "cookie", "secret": "sid=Xk7-geheim"}
    found = show(f"http://{page.at}/", login=login)
    assert len(found.errors) == 1
    assert "cookies" in found.errors[0]
    assert "geheim" not in found.errors[0]


def test_what_is_missing_is_named_and_the_icon_is_no_error(
    place: Callable[..., Place], show: Callable[..., browser.Shown]
) -> None:
    page = place()
    page.pages["/"] = "<!doctype html><h1>Fleet</h1><img src=/missing?token=Xk7-geheim>"
    page.missing = ("/favicon.ico", "/missing")
    found = show(f"http://{page.at}/")
    assert len(found.errors) == 1
    assert found.errors[0].endswith("404 (Not Found) /missing")


def test_a_browser_that_must_be_killed_leaves_nothing(
    place: Callable[..., Place],
    show: Callable[..., browser.Shown],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Not tmp_path, which is longer than the path of a Unix socket may be.
    with tempfile.TemporaryDirectory(prefix="fh-") as temporary:
        monkeypatch.setattr(tempfile, "tempdir", temporary)
        monkeypatch.setattr(browser, "STARTING", 0.0)
        monkeypatch.setattr(browser, "_BESIDES", 0.0)
        with pytest.raises(MeasurementUnavailable, match=r"gave no answer within 4\.5 s"):
            show(f"http://{place().at}/", timeout="1.5 s")
        assert list(Path(temporary).iterdir()) == []
        assert not [one for one in psutil.process_iter() if temporary in _command(one)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_an_address_of_ipv6(
    place: Callable[..., Place], show: Callable[..., browser.Shown]
) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    found = show(f"http://{place(socket.AF_INET6).at}/")
    assert len(found.frames) > 50
    assert len(found.empty) > 10


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<script>setTimeout(() => { for (;;); }, 500)</script>", "its code does not end"),
        ("<script>setTimeout(() => location.reload(), 1500)</script>", "loads itself again"),
        ("<script>for (;;);</script>", "Timeout"),
    ],
)
def test_pages_that_don_t_come_to_rest(
    place: Callable[..., Place], show: Callable[..., browser.Shown], page: str, said: str
) -> None:
    server = place()
    server.pages["/"] = STAYS + page
    with pytest.raises(CheckFailed, match=said):
        show(f"http://{server.at}/", timeout="2 s")


def test_a_page_that_changes_what_measures_it(
    place: Callable[..., Place], show: Callable[..., browser.Shown]
) -> None:
    server = place()
    server.pages["/"] = (
        STAYS + "<script>requestAnimationFrame = performance.now = null;"
        "setTimeout(() => alert('well'), 500)</script>"
    )
    assert len(show(f"http://{server.at}/").frames) > 50


def test_a_module_in_the_current_folder_is_not_taken_for_ours(
    place: Callable[..., Place],
    show: Callable[..., browser.Shown],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)
    assert show(f"http://{place().at}/").visible


def test_no_chromium_at_all(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with pytest.raises(NotApplicable, match="apt-get install chromium"):
        browser.show(of_target(configure(url="http://127.0.0.1:9/")))


def test_the_variable_names_none(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "nothing-of-that-name")
    with pytest.raises(CheckFailed, match="CHROMIUM names 'nothing-of-that-name'"):
        browser.show(of_target(configure(url="http://127.0.0.1:9/")))


def test_a_browser_that_ends_at_once(configure: Configure, tmp_path: Path) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(MeasurementUnavailable, match="can't be started"):
        browser.show(of_target(configure(url="http://127.0.0.1:9/", browser=str(broken))))

"""The page in a real Chromium."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import CheckFailed, NotApplicable
from pytest_flowhealth.probes.dashboard import browser
from pytest_flowhealth.probes.dashboard.site import of_target

pytest.importorskip("playwright")

Configure = Callable[..., Target]

BUSY = """<!doctype html><title>x</title><h1>Fleet</h1>
<script>
  setInterval(() => { const end = performance.now() + 80; while (performance.now() < end); }, 100);
  setTimeout(() => { throw new Error("not caught"); }, 10);
  console.error("told");
  fetch("http://127.0.0.2:9/away").catch(() => {});
  new WebSocket("ws://127.0.0.2:9/away");
</script>"""


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Serve a folder; return its address and itself."""
    folder = tmp_path / "pages"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", folder
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def chromium() -> str:
    """Return the Chromium of this machine."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium is installed")
    return found


def test_a_page_that_is_busy(pages: tuple[str, Path], configure: Configure, chromium: str) -> None:
    url, folder = pages
    (folder / "index.html").write_text(BUSY)
    found = browser.show(of_target(configure(url=url, browser=chromium, timeout="20 s")))

    # 80 ms of every 100 are taken: the frames in between can't be drawn.
    assert max(found.frames) >= 80
    assert sum(found.frames) == pytest.approx(5_000, rel=0.2)
    assert len(found.long_tasks) > 10
    assert found.paint is not None
    assert any("not caught" in one for one in found.errors)
    assert any("told" in one for one in found.errors)
    assert set(found.refused) == {"http://127.0.0.2:9"}
    assert found.visible


def test_a_quiet_page(pages: tuple[str, Path], configure: Configure, chromium: str) -> None:
    url, folder = pages
    (folder / "index.html").write_text("<!doctype html><title>x</title><h1>Fleet</h1>")
    (folder / "favicon.ico").write_bytes(b"")
    found = browser.show(of_target(configure(url=url, browser=chromium, timeout="20 s")))

    assert (found.errors, found.refused) == ((), ())
    assert len(found.frames) > 50


def test_no_page(configure: Configure, chromium: str) -> None:
    site = of_target(configure(url="http://127.0.0.1:9/", browser=chromium))
    with pytest.raises(CheckFailed, match="can't be shown in a browser"):
        browser.show(site)


def test_no_chromium(configure: Configure) -> None:
    site = of_target(configure(url="http://127.0.0.1:9/", browser="nothing-of-that-name"))
    with pytest.raises(CheckFailed, match="nothing-of-that-name"):
        browser.show(site)


def test_no_playwright(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(NotApplicable, match=r"pip install 'pytest-flowhealth\[browser\]'"):
        browser.show(of_target(configure(url="http://127.0.0.1:9/")))

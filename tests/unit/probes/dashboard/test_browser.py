"""Which browser is started, and what its report becomes."""

import importlib.util
from pathlib import Path

import pytest

from pytest_flowhealth.errors import (
    CheckFailed,
    FlowHealthError,
    MeasurementUnavailable,
    NotApplicable,
)
from pytest_flowhealth.probes.dashboard import browser
from pytest_flowhealth.probes.dashboard.browser import BrowserFailure, BrowserView
from tests.kit.dashboard import site_with

URL = "http://127.0.0.1:9/"


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Playwright seem to be installed, and no Chromium."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CHROMIUM", raising=False)


def test_without_playwright_the_check_does_not_apply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(NotApplicable, match=r"pip install 'pytest-flowhealth\[browser\]'"):
        browser.show(site_with(tmp_path, url=URL))


def test_a_configured_browser_that_is_not_there_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHROMIUM", "nothing-of-that-name")
    with pytest.raises(CheckFailed, match="CHROMIUM names 'nothing-of-that-name'"):
        browser.show(site_with(tmp_path, url=URL))
    with pytest.raises(CheckFailed, match=r"dashboard\.browser names 'neither'"):
        browser.show(site_with(tmp_path, url=URL, browser="neither"))


@pytest.mark.parametrize(
    ("failure", "installed", "error", "said"),
    [
        (
            BrowserFailure("Timeout"),
            True,
            CheckFailed,
            f"{URL} can't be shown in a browser: Timeout",
        ),
        (
            BrowserFailure("exit 1", browser=True),
            True,
            MeasurementUnavailable,
            "can't be started: exit 1",
        ),
        (BrowserFailure("no", browser=True), False, NotApplicable, "apt-get install chromium"),
    ],
)
def test_trouble_is_laid_to_the_page_the_browser_or_its_absence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: BrowserFailure,
    installed: bool,
    error: type[FlowHealthError],
    said: str,
) -> None:
    if installed:
        (tmp_path / "chromium").touch(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browser, "_run_browser", lambda *_: failure)
    with pytest.raises(error) as caught:
        browser.show(site_with(tmp_path, url=f"{URL}?key=Xk7-geheim"))
    assert said in str(caught.value)
    assert "geheim" not in f"{caught.value}{caught.value.remedy}"


def test_errors_of_the_console_are_told_without_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = BrowserView((16.0,), (), None, ("cookies: sid=Xk7-geheim",), (), "1", True, ())
    monkeypatch.setattr(browser, "_run_browser", lambda *_: told)
    login = {"method": "cookie", "secret": "sid=Xk7-geheim"}
    (error,) = browser.show(site_with(tmp_path, url=URL, login=login)).errors
    assert "cookies" in error
    assert "geheim" not in error

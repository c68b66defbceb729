"""The page of installations in a real Chromium, with reports that were really handed in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.feedback.harness import OPEN, Sender, receiving, report
from tests.kit.site import Site
from tests.web import test_pages as pages

axe, browser = pages.axe, pages.browser
pytestmark = pages.pytestmark

HOSTILE = "<img src=x onerror=alert(1)>{{7*7}} of shop@1.0.0 can't be unpacked"


def hand_in_all(there: Site) -> None:
    sender = Sender(there)
    for number in range(40):
        failed = number % 8 == 0
        error = HOSTILE if number % 16 == 0 else f"build.artifacts: dist/{number}.js is not there"
        answer = sender.hand_in(
            report(
                outcome="failure" if failed else "success",
                version=f"1.{number % 3}.0",
                node=("18.19.1", "20.11.1", "22.3.0")[number % 3],
                os=("linux", "darwin")[number % 2],
                arch=("x64", "arm64")[number % 2],
                npm=None if number == 39 else "10.2.4",
                seconds=3.5 if number % 2 else None,
                error=error if failed else "",
                context=f"fail {error}\nwarn package.lock: there is no lock file" if failed else "",
            )
        )
        assert answer.status_code == 201


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_errors_and_a_context(browser: Any, axe: str, scheme: str, tmp_path: Path) -> None:
    with receiving(tmp_path / "app", OPEN) as there:
        hand_in_all(there)
        for size, (width, height) in pages.SIZES.items():
            settings = {"color_scheme": scheme, "viewport": {"width": width, "height": height}}
            with pages.tab(browser, there, **settings) as one:
                one.log_in()
                one.go("/installs")
                assert one.see("installs-success").inner_text() == "87.5 %"
                assert one.see("installs-failed").inner_text() == "5"
                assert HOSTILE in one.see("installs-kinds").inner_text()
                assert one.see("installs-nodes").locator("tbody tr").count() == 3
                assert one.see("installs-last").locator("tbody tr").count() == 40
                one.tab.locator("summary", has_text="what was told around it").first.click()
                one.tab.locator("pre", has_text="there is no lock file").first.wait_for()
                shot = tmp_path / f"installs-{scheme}-{size}.png"
                one.tab.screenshot(path=shot, full_page=True)
                if os.environ.get("SHOTS"):
                    shutil.copy(shot, os.environ["SHOTS"])
                assert one.tab.evaluate("document.documentElement.scrollWidth") <= width
                assert pages._findings(one.tab, axe) == []
                assert one.complaints == []
                assert one.foreign == []


def test_the_empty_page_says_how(browser: Any, tmp_path: Path) -> None:
    with receiving(tmp_path / "app") as there, pages.tab(browser, there) as one:
        one.log_in()
        one.go("/installs")
        assert "--health-submit" in one.see("empty").inner_text()
        one.tab.click('[data-range="24h"]')
        one.tab.wait_for_url("**/installs?range=24h")

"""The page of installations in a real Chromium, with reports that were really handed in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests

from tests.kit.site import Stage, staged
from tests.kit.tabs import SIZES, tab

OPEN = '[feedback]\nreceive = "open"\nper_minute = 10_000\n'
HOSTILE = "<img src=x onerror=alert(1)>{{7*7}} of shop@1.0.0 can't be unpacked"


def hand_in_reports(stage: Stage) -> None:
    """Hand in 24 reports: three failures, two of them with a hostile error."""
    for number in range(24):
        failed = number % 8 == 0
        error = HOSTILE if number % 16 == 0 else f"build.artifacts: dist/{number}.js is not there"
        report = {
            "schema": "flowhealth-install/1",
            "package": "shop",
            "version": f"1.{number % 3}.0",
            "node": ("18.19.1", "20.11.1", "22.3.0")[number % 3],
            "npm": None if number == 23 else "10.2.4",
            "os": ("linux", "darwin")[number % 2],
            "arch": ("x64", "arm64")[number % 2],
            "step": "install",
            "outcome": "failure" if failed else "success",
            "seconds": 3.5 if number % 2 else None,
            "error": error if failed else "",
            "context": f"fail {error}\nwarn package.lock: there is no lock file" if failed else "",
        }
        response = requests.post(f"{stage.url}api/reports", json=report, timeout=60)
        assert response.status_code == 201, response.text


def test_figures_errors_and_a_context_are_shown(browser: Any, axe: str, tmp_path: Path) -> None:
    width, height = SIZES["telephone"]
    settings = {"color_scheme": "dark", "viewport": {"width": width, "height": height}}
    with staged(tmp_path / "app", OPEN) as stage, tab(browser, stage, **settings) as page:
        hand_in_reports(stage)
        page.enter("/installs")
        assert page.see("installs-success").inner_text() == "87.5 %"
        assert page.see("installs-failed").inner_text() == "3"
        assert HOSTILE in page.see("installs-kinds").inner_text()
        assert page.see("installs-nodes").locator("tbody tr").count() == 3
        assert page.see("installs-last").locator("tbody tr").count() == 24
        page.page.locator("summary", has_text="what was told around it").first.click()
        page.page.locator("pre", has_text="there is no lock file").first.wait_for()
        page.assert_accessible(axe)
        page.assert_quiet()

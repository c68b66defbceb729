"""The page of installations in a real Chromium, with reports that were really handed in."""

from pathlib import Path
from typing import Any

from tests.kit.install_reports import OPEN, Sender, report
from tests.kit.site import Stage, staged
from tests.kit.tabs import SIZES, tab

HOSTILE = "<img src=x onerror=alert(1)>{{7*7}} of shop@1.0.0 can't be unpacked"


def hand_in_reports(stage: Stage) -> None:
    """Hand in 24 reports: three failures, two of them with a hostile error."""
    sender = Sender(stage)
    for number in range(24):
        error = HOSTILE if number % 16 == 0 else f"build.artifacts: dist/{number}.js is not there"
        failure = {
            "error": error,
            "context": f"fail {error}\nwarn package.lock: there is no lock file",
        }
        success = {"outcome": "success", "error": "", "context": ""}
        response = sender.hand_in(
            report(
                version=f"1.{number % 3}.0",
                node=("18.19.1", "20.11.1", "22.3.0")[number % 3],
                npm=None if number == 23 else "10.2.4",
                os=("linux", "darwin")[number % 2],
                **(success if number % 8 else failure),
            )
        )
        assert response.status_code == 201, response.text


def test_figures_errors_and_a_context_are_shown(browser: Any, axe: str, tmp_path: Path) -> None:
    width, height = SIZES["telephone"]
    settings: dict[str, Any] = {
        "color_scheme": "dark",
        "viewport": {"width": width, "height": height},
    }
    with staged(tmp_path / "app", OPEN) as stage, tab(browser, stage, **settings) as page:
        hand_in_reports(stage)
        page.enter("/installs")
        assert page.see("installs-success").inner_text() == "87.5 %"
        assert page.see("installs-failed").inner_text() == "3"
        assert HOSTILE in page.see("installs-kinds").inner_text()
        assert page.see("installs-nodes").locator("tbody tr").count() == 3
        assert page.see("installs-last").locator("tbody tr").count() == 24
        page.page.locator("summary", has_text="context of the error").first.click()
        page.page.locator("pre", has_text="there is no lock file").first.wait_for()
        page.assert_accessible(axe)
        page.assert_quiet()

"""Real monitors and their pages in a real Chromium: an outage, and rounds that no longer end."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.kit.site import site
from tests.kit.tabs import tab


@pytest.mark.accuracy
def test_a_failure_is_on_the_page_two_seconds_after_its_alert(browser: Any, tmp_path: Path) -> None:
    with site(tmp_path / "app") as served:
        served.start()
        with tab(browser, served) as page:
            page.enter("/")
            page.wait_until_live()
            page.page.evaluate(
                """() => { const look = () => {
                  if (document.querySelector('[data-test="problem-own.switch"]'))
                    window.seen = Date.now() / 1000;
                  else requestAnimationFrame(look); }; look(); }"""
            )
            served.monitor.mode("broken")
            page.see("problem-own.switch")
            seen = page.page.evaluate("window.seen")
            served.monitor.until(served.monitor.told)
            fired = served.monitor.alert("own.switch")["startsAt"]
            delay = seen - datetime.datetime.fromisoformat(fired).timestamp()
            assert delay < 2.0
            page.assert_quiet()

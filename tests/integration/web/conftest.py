"""The fixtures that the tests of the web page share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.site import Stage, staged
from tests.kit.tabs import Tab, axe, tab

__all__ = ["axe"]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path / "app") as found:
        yield found


@pytest.fixture
def page(browser: Any, stage: Stage) -> Iterator[Tab]:
    """Return a tab with the overview, for somebody who has logged in."""
    with tab(browser, stage) as found:
        found.enter("/")
        found.wait_until_live()
        yield found

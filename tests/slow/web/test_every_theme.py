"""Every page in both themes and at both sizes, with reports of installations and a failing check."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.web.test_installs_page import hand_in_reports
from tests.kit.install_reports import OPEN
from tests.kit.site import own_report, staged
from tests.kit.tabs import SIZES, tab


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_is_accessible_and_fits(
    browser: Any, axe: str, tmp_path: Path, scheme: str, size: str
) -> None:
    width, height = SIZES[size]
    settings: dict[str, Any] = {
        "color_scheme": scheme,
        "viewport": {"width": width, "height": height},
    }
    with staged(tmp_path / "app", OPEN) as stage, tab(browser, stage, **settings) as page:
        hand_in_reports(stage)
        stage.conclude(own_report("broken"))
        page.look_at_every_page(axe)

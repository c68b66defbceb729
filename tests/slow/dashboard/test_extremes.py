"""The most connections, and a redirect of the whole page in a browser of its own."""

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.dashboard import browser, connections
from tests.kit.browser import require_chromium
from tests.kit.dashboard import MakeSite
from tests.kit.http import HttpServer, Reply


def test_a_thousand_connections_are_held(planned: MakeSite) -> None:
    asked = {"open": 1_000, "hold": "1 s"}
    held = connections.hold_connections(planned({"updates": [0.1]}, connections=asked))
    assert (held.opened, held.stayed, held.refusals) == (1_000, 1_000, {})


def test_a_page_that_redirects_elsewhere_cannot_be_shown_and_its_query_is_not_told(
    make_site: MakeSite,
) -> None:
    require_chromium()
    with HttpServer() as strange:
        away = Reply(status=302, headers={"location": f"{strange.url}/"})
        with HttpServer([away]) as page:
            site = make_site(url=f"{page.url}/?key=Xk7-geheim", timeout="60 s")
            with pytest.raises(CheckFailed, match="can't be shown in a browser") as caught:
                browser.show(site)
        assert "geheim" not in f"{caught.value}{caught.value.remedy}"
        assert strange.requests == []

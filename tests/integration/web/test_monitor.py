"""The page of a real monitor: it shows what rounds find, and what is done there reaches the monitor."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.kit.site import Site, Visitor, site
from tests.kit.waiting import wait_for
from tests.kit.web_app import token_table


def test_what_rounds_find_reaches_the_page_and_what_visitors_do_reaches_the_monitor(
    tmp_path: Path,
) -> None:
    config = token_table(machine="read")
    with site(tmp_path / "app", config, FLOWHEALTH_WEB_TOKEN="both") as page:
        page.start(interval="2s")
        admin = Visitor(page)
        assert admin.log_in().status_code == 200
        look_at_a_round(page, admin)
        follow_a_failure(page, admin)
        take_a_token_back(page)


def look_at_a_round(page: Site, admin: Visitor) -> None:
    """Find what a round measured on every endpoint."""
    machine = Visitor(page)
    machine.session.headers["Authorization"] = "Bearer both"

    assert page.state(admin)["check:own.switch"]["outcome"] == "pass"
    assert machine.get("health").json()["checks"]["own:figure"][0]["observedValue"] == 1.0
    assert admin.get("api/runs").json()["runs"]
    now = time.time()
    series = f"api/series?metric=own.figure&since={now - 60}&until={now + 60}"
    wait_for(lambda: admin.get(series).json()["mean"])
    # The seconds between rounds are from memory.
    series = f"api/series?metric=system.cpu&since={now - 3}&until={now + 60}"
    wait_for(lambda: admin.get(series).json()["at"])
    wait_for(lambda: any(event["user"] == "admin" for event in page.monitor.events("log-in")))


def follow_a_failure(page: Site, admin: Visitor) -> None:
    """Let a check fail, silence its alert, and let it pass again."""
    seen: dict[str, Any] = {}

    def state() -> dict[str, Any]:
        return page.state(admin)

    address = page.url.replace("http", "ws", 1) + "api/live"
    headers = {"Authorization": "Bearer both"}
    with connect(address, additional_headers=headers, proxy=None, max_size=2**24) as opened:
        page.monitor.mode("broken")
        while not {"check:own.switch", "alert:own.switch"} <= seen.keys():
            message = json.loads(opened.recv(timeout=60))
            seen |= message.get("set", {})
    assert seen["check:own.switch"]["outcome"] == "fail"
    assert seen["alert:own.switch"]["phase"] == "firing"

    silence = {"pattern": "own.*", "seconds": 60, "reason": "work"}
    assert admin.change("api/silences", silence).status_code == 201
    wait_for(lambda: any(key.startswith("silence:") for key in state()))
    page.monitor.until(lambda: page.monitor.events("silenced"))
    page.monitor.mode("ok")
    wait_for(lambda: "alert:own.switch" not in state())
    assert state()["monitor"]["status"] == "healthy"


def read_until_closed(opened: ClientConnection) -> None:
    while True:
        opened.recv(timeout=60)


def take_a_token_back(page: Site) -> None:
    """Replace a token in the configuration, whose socket a reload closes."""
    address = page.url.replace("http", "ws", 1) + "api/live"
    headers = {"Authorization": "Bearer machine"}
    toml = page.monitor.project / "flowhealth.toml"
    with connect(address, additional_headers=headers, proxy=None, max_size=2**24) as opened:
        opened.recv(timeout=30)
        table = token_table(machine="read")
        toml.write_text(toml.read_text().replace(table, token_table(other="read")))
        page.monitor.send(signal.SIGHUP)
        with pytest.raises(ConnectionClosed) as closed:
            read_until_closed(opened)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401

"""Live updates over a real monitor's WebSocket."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.kit.site import Site, Visitor, site, wait_for


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Site]:
    with site(
        tmp_path / "app", '[web]\nsession = "1 h"\n', FLOWHEALTH_WEB_TOKEN="machine"
    ) as found:
        found.start()
        yield found


def listening(page: Site, query: str = "", **headers: str) -> ClientConnection:
    address = page.url.replace("http", "ws", 1) + f"api/live{query}"
    given = headers or {"Authorization": "Bearer machine"}
    return connect(address, additional_headers=given, proxy=None, max_size=2**24)


def told(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    return [json.loads(socket.recv(timeout=10)) for _ in range(count)]


def test_changes_come_every_second_with_numbers(page: Site) -> None:
    with listening(page) as opened:
        first, *rest = told(opened, 6)
    assert first["type"] == "snapshot"
    assert first["state"]["check:own.switch"]["outcome"] == "pass"
    assert [one["seq"] for one in rest] == [first["seq"] + number for number in range(1, 6)]
    assert {one["type"] for one in rest} == {"changes"}
    times = [one["at"] for one in (first, *rest)]
    distances = [after - before for before, after in pairwise(times)]
    assert 0.2 < sum(distances) / len(distances) < 1.5
    # What did not change is not told again.
    assert all("units" not in one["set"] for one in rest)


def test_who_was_away_catches_up(page: Site) -> None:
    with listening(page) as opened:
        first = told(opened, 1)[0]
    time.sleep(2.5)
    query = f"?epoch={first['epoch']}&since={first['seq']}"
    with listening(page, query) as opened:
        again, after = told(opened, 2)
    assert (again["type"], again["from"]) == ("changes", first["seq"])
    assert again["seq"] > first["seq"]
    assert after["seq"] == again["seq"] + 1
    for strange in (
        "?epoch=x&since=1",
        f"?epoch={first['epoch']}&since=-1",
        "?since=9e9",
        "?epoch=&since=%00",
    ):
        with listening(page, strange) as opened:
            assert told(opened, 1)[0]["type"] == "snapshot"


def test_a_failure_is_shown_with_the_next_round(page: Site) -> None:
    with listening(page) as opened:
        told(opened, 1)
        page.mode("broken")
        end = time.monotonic() + 20
        seen: dict[str, Any] = {}
        while (
            time.monotonic() < end and not {"check:own.switch", "alert:own.switch"} <= seen.keys()
        ):
            seen |= told(opened, 1)[0]["set"]
    assert seen["check:own.switch"]["outcome"] == "fail"
    assert seen["alert:own.switch"]["phase"] == "firing"
    assert seen["monitor"]["status"] == "unhealthy"


def test_a_session_that_ends_closes_its_socket(page: Site) -> None:
    visitor = Visitor(page)
    visitor.log_in()
    cookie = f"{page.cookie}={visitor.session.cookies[page.cookie]}"
    with listening(page, Cookie=cookie, Origin=page.url.rstrip("/")) as opened:
        told(opened, 1)
        visitor.change("api/logout")
        with pytest.raises(ConnectionClosed) as closed:
            told(opened, 5)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


def test_a_token_that_is_taken_back_closes_its_socket(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"prom").hexdigest()
    more = f'[web.tokens]\nprom = {{ sha256 = "{digest}" }}\n'
    with site(tmp_path / "app", more) as page:
        page.start()
        with listening(page, Authorization="Bearer prom") as socket:
            told(socket, 2)
            toml = page.monitor.project / "flowhealth.toml"
            toml.write_text(toml.read_text().replace(digest, "0" * 64))
            page.monitor.send(signal.SIGHUP)
            with pytest.raises(ConnectionClosed) as closed:
                told(socket, 30)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


def test_slow_readers_harm_nobody(page: Site) -> None:
    """They read nothing at all; who reads is told in time all the same."""
    head = (
        "GET /api/live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Authorization: Bearer machine\r\n\r\n"
    )
    slow = []
    for _ in range(50):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
        one.connect(("127.0.0.1", page.port))
        one.sendall(head.encode())
        slow.append(one)
    with listening(page) as opened:
        messages = told(opened, 5)
    assert [one["seq"] for one in messages[1:]] == [
        messages[0]["seq"] + number for number in range(1, 5)
    ]
    for one in slow:
        one.close()


def test_a_client_that_says_too_much_is_cut_off(page: Site) -> None:
    with listening(page) as opened:
        told(opened, 1)
        opened.send("x" * 100_000)
        with pytest.raises(ConnectionClosed):
            told(opened, 5)
    with listening(page) as opened:
        assert told(opened, 2)


def test_the_monitor_goes_on_without_its_history(page: Site) -> None:
    visitor = Visitor(page)
    visitor.log_in()
    now = time.time()
    series = f"api/series?metric=own.figure&since={now - 60}&until={now}"
    wait_for(lambda: visitor.get(series).json().get("at"))
    page.monitor.history.unlink()
    page.monitor.history.mkdir()
    refused = visitor.get(series)
    assert refused.status_code == 503
    assert "the history" in refused.json()["error"] or "no history" in refused.json()["error"]
    answer = visitor.change("api/silences", {"pattern": "own.*", "seconds": 60})
    assert answer.status_code == 503
    with listening(page) as opened:
        before, *_, after = told(opened, 4)
    assert after["seq"] == before["seq"] + 3
    wait_for(lambda: page.state(visitor)["monitor"]["problem"])


def test_a_locked_history_can_be_read_and_says_that_it_can_not_be_changed(page: Site) -> None:
    visitor = Visitor(page)
    visitor.log_in()
    now = time.time()
    series = f"api/series?metric=own.figure&since={now - 60}&until={now}"
    wait_for(lambda: visitor.get(series).json().get("at"))
    with closing(sqlite3.connect(page.monitor.history, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with listening(page) as opened:
            told(opened, 1)
            assert visitor.get(series).status_code == 200
            answer = visitor.change("api/silences", {"pattern": "own.*", "seconds": 60})
            assert answer.status_code == 503
            assert "write lock" in answer.json()["error"]
            seen = told(opened, 5)
        other.execute("ROLLBACK")
    # All the while the live part went on: what waited in the connection is of each second.
    assert seen[-1]["seq"] == seen[0]["seq"] + 4
    assert visitor.change("api/silences", {"pattern": "own.*", "seconds": 60}).status_code == 201


def test_livez_when_rounds_no_longer_end(page: Site) -> None:
    visitor = Visitor(page)
    visitor.session.headers["Authorization"] = "Bearer machine"
    assert visitor.get("livez").status_code == 200
    assert visitor.get("health").status_code == 200
    checks = page.monitor.project / "health/test_own.py"
    checks.write_text(checks.read_text() + "\n\nimport time\n\ntime.sleep(30)\n")
    wait_for(lambda: visitor.get("livez").status_code == 503, 60)
    health = visitor.get("health")
    assert health.status_code == 503
    assert health.json()["status"] == "fail"
    assert "no round has ended" in health.json()["output"]
    assert re.search(r"^flowhealth_status{.*} 3$", visitor.get("metrics").text, re.MULTILINE)
    assert visitor.get("api/report").json()["health"]["status"] == "unknown"
    monitor = page.state(visitor)["monitor"]
    assert monitor["status"] == "unknown"
    assert "no round has ended" in monitor["reasons"][0]


def test_metrics_and_health_as_they_are_documented(page: Site) -> None:
    visitor = Visitor(page)
    visitor.session.headers["Authorization"] = "Bearer machine"
    health = visitor.get("health")
    assert health.headers["Content-Type"] == "application/health+json"
    found = health.json()
    assert found["status"] == "pass"
    figure = found["checks"]["own:figure"][0]
    assert (figure["observedValue"], figure["observedUnit"], figure["status"]) == (
        3.0,
        "ms",
        "pass",
    )
    metrics = visitor.get("metrics")
    assert metrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert metrics.text.endswith("# EOF\n")
    assert "flowhealth_own_figure_milliseconds" in metrics.text

"""The WebSocket: what is measured, and the message for each fault."""

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.dashboard import connections, watch
from tests.kit.dashboard import DashboardServer, MakeSite
from tests.kit.redis import silent, tcp_server

PINGS = 10
NUMBERED = {"send": "ping {id}", "reply": "pong {id}."}


@pytest.fixture(autouse=True)
def _few_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PINGS", PINGS)
    monkeypatch.setattr(watch, "HANDSHAKES", 3)


def test_pings_updates_and_bytes_are_measured_and_nothing_else_is_requested(
    planned: MakeSite, server: DashboardServer
) -> None:
    found = watch.measure_websocket(planned({"updates": [0.05]}, window="1 s"))
    assert (len(found.handshakes), len(found.pings), found.messages) == (3, PINGS, ())
    assert len(found.updates.times) >= 2
    assert found.updates.received == len("update") * (
        len(found.updates.times) + found.updates.greetings
    )
    assert not found.compression
    assert set(server.truth()["requests"]) == {"/ws"}


def test_a_message_early_in_the_interval_is_no_update(planned: MakeSite) -> None:
    plan = {"greeting": "welcome"}
    found = watch.measure_websocket(planned(plan, update_interval="60 s", window="1 s"))
    assert (found.updates.greetings, found.updates.times, found.updates.received) == (
        1,
        (),
        len("welcome"),
    )


@pytest.mark.parametrize("reply", ["pong {id}.", "pong"])
def test_replies_to_the_configured_message_are_timed_with_and_without_a_number(
    planned: MakeSite, reply: str
) -> None:
    found = watch.measure_websocket(
        planned({"delays": [0.005]}, message=NUMBERED | {"reply": reply})
    )
    assert len(found.messages) == PINGS
    assert min(found.messages) >= 5


@pytest.mark.parametrize(
    ("plan", "path", "said"),
    [
        ({}, "/other", "refuses the WebSocket with status 503"),
        ({"secret": "Bearer s3cret"}, "/ws", "refuses the WebSocket with status 401"),
        ({"away": "ws://127.0.0.2:9/ws"}, "/ws", "redirects the WebSocket, which is not followed"),
        ({"end": 4001}, "/ws", "closes the WebSocket with code 4001 go away"),
        ({"end": "abort"}, "/ws", "breaks off the connection of the WebSocket"),
        ({"end": "garbage"}, "/ws", "sends what can't be read: invalid opcode"),
        ({"end": "oversized"}, "/ws", "sends what can't be read: frame .*exceeds limit"),
    ],
)
def test_a_websocket_that_is_refused_or_ends_fails_with_the_reason(
    planned: MakeSite,
    caplog: pytest.LogCaptureFixture,
    plan: dict[str, object],
    path: str,
    said: str,
) -> None:
    with pytest.raises(CheckFailed, match=said):
        watch.measure_websocket(planned(plan, path, window="60 s"))
    # asyncio logs the errors of tasks that nobody awaited.
    assert caplog.records == []


@pytest.mark.parametrize(
    ("plan", "settings"),
    [({"mute": True}, {}), ({}, {"message": NUMBERED | {"reply": "never"}})],
)
def test_pings_and_messages_without_an_answer_are_counted(
    planned: MakeSite, plan: dict[str, object], settings: dict[str, object]
) -> None:
    with pytest.raises(CheckFailed, match=f"of {PINGS} pings or messages got no answer within 2 s"):
        watch.measure_websocket(planned(plan, timeout="2 s", **settings))


def test_a_server_that_never_responds_fails_within_the_timeout(make_site: MakeSite) -> None:
    with tcp_server(silent) as port:
        place = f"127.0.0.1:{port}/"
        site = make_site(url=f"http://{place}", websocket=f"ws://{place}", timeout="0.3 s")
        with pytest.raises(CheckFailed, match=r"gives no whole response within 0\.3 s"):
            watch.measure_websocket(site)


@pytest.mark.parametrize(
    ("plan", "opened", "stayed", "refusals"),
    [
        ({"updates": [0.05]}, 8, 8, {}),
        ({"most": 5}, 5, 5, {"refuses the WebSocket with status 503": 3}),
        (
            {"end": 4001, "end_after": 0},
            8,
            0,
            {"closes the WebSocket with code 4001 go away": 8},
        ),
    ],
    ids=["all stay", "past the server's limit", "closed by the server"],
)
def test_connections_are_opened_held_pinged_and_counted(
    planned: MakeSite, plan: dict[str, object], opened: int, stayed: int, refusals: dict[str, int]
) -> None:
    held = connections.hold_connections(planned(plan, connections={"open": 8, "hold": "0.2 s"}))
    assert (held.asked, held.opened, held.stayed) == (8, opened, stayed)
    assert held.refusals == refusals
    assert (len(held.opening), len(held.pings)) == (opened, stayed)


def test_connections_whose_turn_does_not_come_in_time_are_refusals(
    planned: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "OPENING", 0.0)
    held = connections.hold_connections(planned({}, connections={"open": 8, "hold": "0.1 s"}))
    assert (held.opened, held.refusals) == (0, {"opens no more within 0 s": 8})

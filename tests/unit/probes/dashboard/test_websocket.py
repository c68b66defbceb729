"""What is spoken over a WebSocket, for how long it is watched, and when there is none to open."""

import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.dashboard import connections, watch
from pytest_flowhealth.probes.dashboard.address import parse_address
from pytest_flowhealth.probes.dashboard.http_client import HttpError
from pytest_flowhealth.probes.dashboard.protocols import (
    Protocol,
    choose_protocol,
    complete_address,
)
from tests.kit.dashboard import site_with

URL = "http://127.0.0.1:9/"


def join(protocol: Protocol, *messages: str) -> list[str]:
    """Return what the client sends while the server sends these messages."""
    sent = protocol.take_greetings()
    for message in messages:
        protocol.receive(message)
        sent += protocol.take_greetings()
    return sent


@pytest.mark.parametrize(
    ("version", "namespace", "messages", "sent"),
    [
        (4, "/", ["0{}", '40{"sid":"x"}'], ['40{"token": "t"}', "42sub"]),
        (4, "/admin", ["0{}", '40/admin,{"sid":"x"}'], ['40/admin,{"token": "t"}', "42sub"]),
        (3, "/", ['0{"pingInterval":25000}', "40"], ["42sub"]),
        (3, "/admin", ['0{"pingInterval":25000}', "40", "40/admin"], ["40/admin,", "42sub"]),
    ],
)
def test_socket_io_is_joined_as_its_version_and_namespace_require(
    version: int, namespace: str, messages: list[str], sent: list[str]
) -> None:
    address = parse_address("w", f"ws://h/socket.io/?EIO={version}&transport=websocket")
    protocol = choose_protocol(address, ["42sub"], namespace=namespace, auth={"token": "t"})
    assert [join(protocol, *messages), protocol.waits] == [sent, ""]
    assert protocol.ping_interval == (25.0 if version == 3 else 0.0)
    # An event with bytes is one update, not one for its text and one for its bytes.
    name = "" if namespace == "/" else f"{namespace},"
    messages = [f'42{name}["a"]', f"451-{name}[]", b"x", "0{}", "40", "3", '42/other,["a"]']  # type: ignore[list-item]
    seen = [protocol.is_update(message, None) for message in messages]
    assert seen == [True, True, False, False, False, False, False]
    assert protocol.is_update('42["metrics",1]', '["metrics"')
    assert not protocol.is_update('42["other",1]', '["metrics"')


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ('44{"message":"not authorized"}', "refuses the client in Socket.IO: not authorized"),
        ('44"not authorized"', "refuses the client in Socket.IO: not authorized"),
        ('44/admin,{"message":"Invalid namespace"}', r"\(namespace /admin\): Invalid namespace"),
        ("41", "disconnects the client"),
        ("1", "closes the engine.io session"),
    ],
)
def test_socket_io_that_refuses_or_disconnects_the_client_raises(
    message: str, problem: str
) -> None:
    protocol = choose_protocol(parse_address("w", "ws://h/socket.io/?EIO=4"), [])
    join(protocol, "0{}", "40{}")
    with pytest.raises(HttpError, match=problem):
        protocol.receive(message)


def test_engine_io_answers_pings_and_counts_its_messages() -> None:
    protocol = choose_protocol(parse_address("w", "ws://h/engine.io/?EIO=4"), ["4hi"])
    assert join(protocol, "0{}") == ["4hi"]
    assert [protocol.receive(one) for one in ("2", "42[1]", b"2")] == ["3", None, None]
    seen = [protocol.is_update(one, None) for one in ("4x", b"x", "0{}", "2")]
    assert seen == [True, True, False, False]


@pytest.mark.parametrize(
    "address",
    ["ws://h/socket.io", "ws://h/socket.io/?transport=websocket", "ws://h/a/socket.io/?t=1"],
)
def test_socket_io_without_a_version_gets_the_query_of_its_clients(address: str) -> None:
    target = complete_address(parse_address("w", address)).target
    assert target.count("EIO=4") == target.count("transport=websocket") == 1
    assert "/socket.io/?" in target


def test_socket_io_2_is_pinged_although_the_address_has_another_version() -> None:
    protocol = choose_protocol(parse_address("w", "ws://h/socket.io/?EIO=4"), [])
    join(protocol, '0{"sid":"x","pingInterval":25000}', "40")
    assert (protocol.waits, protocol.ping_interval) == ("", 25.0)


def test_engine_io_at_an_address_of_its_own_may_have_no_socket_io() -> None:
    silent = choose_protocol(parse_address("w", "ws://h/live/?EIO=4"), ["4hi"])
    assert not silent.accept_silence()
    join(silent, "0{}")
    assert silent.accept_silence()
    assert silent.take_greetings() == ["4hi"]
    refused = choose_protocol(parse_address("w", "ws://h/socket.io/?EIO=4"), [])
    join(refused, "0{}")
    assert not refused.accept_silence()


@pytest.mark.parametrize(
    ("address", "subprotocol", "message"),
    [
        ("ws://h/ws", None, '{"type": "error", "message": "Unauthorized"}'),
        ("ws://h/ws", None, '{"event": "auth_error", "reason": "token expired"}'),
        ("ws://h/socket.io/?EIO=4", None, '42["unauthorized",{"message":"no token"}]'),
        ("ws://h/graphql", "graphql-transport-ws", '{"type":"error","payload":[{"message":"no"}]}'),
        ("ws://h/graphql", "graphql-ws", '{"type":"connection_error","payload":{"message":"no"}}'),
    ],
)
def test_client_that_is_refused_by_a_message_is_not_served(
    address: str, subprotocol: str | None, message: str
) -> None:
    protocol = choose_protocol(parse_address("w", address), [], subprotocol=subprotocol)
    with pytest.raises(HttpError, match="refuses the"):
        protocol.receive(message)


def test_errors_of_the_application_are_no_updates_and_no_refusals() -> None:
    protocol = choose_protocol(parse_address("w", "ws://h/ws"), [])
    for message in ('{"type":"error","message":"no database"}', '{"type":"metrics"}'):
        protocol.receive(message)
    assert not protocol.is_update('{"type":"error","message":"no database"}', None)
    # What a served client hears about others is not about itself.
    assert protocol.receive('{"type":"error","message":"agent 7 is unauthorized"}') is None
    graphql = choose_protocol(parse_address("w", "ws://h/g"), [], subprotocol="graphql-ws")
    assert not graphql.is_update('{"type":"data","payload":{"errors":[{"message":"no"}]}}', None)
    assert not graphql.is_update('{"type":"ka"}', None)


def test_graphql_is_initialised_before_it_is_subscribed_to_and_its_pings_are_answered() -> None:
    address = parse_address("w", "ws://h/graphql")
    protocol = choose_protocol(address, ["sub"], subprotocol="graphql-transport-ws")
    assert join(protocol, '{"type":"connection_ack"}') == ['{"type":"connection_init"}', "sub"]
    assert protocol.receive('{"type":"ping"}') == '{"type":"pong"}'
    assert protocol.is_update('{"type":"next","id":"1"}', None)


def test_plain_websocket_has_no_protocol_and_each_message_is_an_update() -> None:
    protocol = choose_protocol(parse_address("w", "ws://h/ws"), ("hi",))
    assert (join(protocol), protocol.waits) == (["hi"], "")
    assert (protocol.receive("2"), protocol.is_update("2", None)) == (None, True)


@pytest.mark.parametrize("interval", [0.1, 1.0, 27.0, 60.0])
def test_the_window_gives_the_distances_that_a_p95_needs(tmp_path: Path, interval: float) -> None:
    site = site_with(tmp_path, url=URL, update_interval=f"{interval} s")
    # The first update may come late in its interval, and one at once does not count.
    distances = (watch.listening_seconds(site) - interval - watch.GREETING * interval) // interval
    assert distances >= watch.DISTANCES


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [({"window": "3 s"}, 3.0), ({"window": "1 h"}, watch.LONGEST), ({"updates": False}, 5.0)],
)
def test_a_configured_window_counts_up_to_its_limit(
    tmp_path: Path, settings: dict[str, object], seconds: float
) -> None:
    assert watch.listening_seconds(site_with(tmp_path, url=URL, **settings)) == seconds


@pytest.mark.parametrize(
    ("settings", "probe", "error", "said"),
    [
        ({}, watch.measure_websocket, NotApplicable, "no WebSocket is configured"),
        (
            {"connections": {"open": 5}},
            connections.hold_connections,
            CheckFailed,
            "dashboard.websocket is not",
        ),
        ({"subscribe": ["x"]}, watch.measure_websocket, CheckFailed, "dashboard.websocket is not"),
    ],
)
def test_without_a_websocket_nothing_applies_but_what_needs_its_address(
    tmp_path: Path, settings: dict[str, object], probe: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        probe(site_with(tmp_path, url=URL, **settings))


def test_a_missing_library_names_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "websockets", None)
    with pytest.raises(MeasurementUnavailable) as caught:
        watch.measure_websocket(site_with(tmp_path, url=URL, websocket="ws://127.0.0.1:9/"))
    assert caught.value.remedy == "pip install 'pytest-flowhealth[dashboard]'"

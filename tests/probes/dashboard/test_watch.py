"""The WebSocket: what is told of each fault, and what else than pings is measured."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.dashboard import connections
from pytest_flowhealth.probes.dashboard.address import parsed
from pytest_flowhealth.probes.dashboard.site import Site, of_target
from pytest_flowhealth.probes.dashboard.watch import PINGS, watch
from pytest_flowhealth.probes.dashboard.websocket import Dialect, dialect_of
from tests.kit.redis import silent, tcp_server
from tests.probes.dashboard.conftest import Serve, truth

Configure = Callable[..., Target]
Made = Callable[..., Site]


@pytest.fixture
def made(serve: Serve, configure: Configure) -> Made:
    """Return a function that starts a server and returns it as a site."""

    def make(plan: dict[str, object], path: str = "/ws", **settings: object) -> Site:
        place = serve(**plan)
        settings = {"window": "1 s", "timeout": "10 s", "update_interval": "0.1 s"} | settings
        return of_target(
            configure(url=f"http://{place}/", websocket=f"ws://{place}{path}", **settings)
        )

    return make


def test_updates_pings_and_bytes(made: Made) -> None:
    found = watch(made({"updates": [0.1]}))

    assert len(found.pings) == PINGS
    assert 5 <= len(found.updates) <= 10
    assert found.received == 6 * len(found.updates)
    assert found.messages == ()
    assert not found.compression


def test_the_application_s_own_message(made: Made) -> None:
    site = made({"delays": [0.01]}, message={"send": "ping {id}", "reply": "pong {id}."})
    found = watch(site)
    assert len(found.messages) == PINGS
    assert min(found.messages) >= 10


@pytest.mark.parametrize(
    ("plan", "path", "said"),
    [
        ({}, "/other", "refuses the WebSocket with status 503"),
        ({}, "/", "refuses the WebSocket with status 503"),
        ({"mute": True}, "/ws", f"{PINGS} of {PINGS} pings or messages got no answer within 0.5 s"),
    ],
)
def test_faults(made: Made, plan: dict[str, object], path: str, said: str) -> None:
    with pytest.raises(CheckFailed, match=said):
        watch(made(plan, path, timeout="0.5 s"))


def test_a_message_without_a_reply(made: Made) -> None:
    site = made({}, message={"send": "ping {id}", "reply": "never {id}"}, timeout="0.5 s")
    with pytest.raises(CheckFailed, match="got no answer"):
        watch(site)


def test_a_server_that_says_nothing(configure: Configure) -> None:
    with tcp_server(silent) as port:
        url = f"http://127.0.0.1:{port}/"
        site = of_target(configure(url=url, websocket=f"ws://127.0.0.1:{port}/", timeout="0.3 s"))
        with pytest.raises(CheckFailed, match=r"gives no whole answer within 0\.3 s"):
            watch(site)


def test_no_websocket_is_configured(configure: Configure) -> None:
    with pytest.raises(NotApplicable, match="no WebSocket is configured"):
        watch(of_target(configure(url="http://127.0.0.1:1/")))


def test_without_the_library(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    site = made({})
    monkeypatch.setitem(sys.modules, "websockets", None)
    with pytest.raises(MeasurementUnavailable) as caught:
        watch(site)
    assert caught.value.remedy == "pip install 'pytest-flowhealth[web]'"


def test_connections_are_held(made: Made) -> None:
    held = connections.hold(made({"updates": [0.1]}, connections={"open": 300, "hold": "0.5 s"}))
    assert (held.opened, held.stayed, held.refusals) == (300, 300, {})


def test_a_server_that_is_full(made: Made) -> None:
    held = connections.hold(made({"most": 30}, connections={"open": 50, "hold": "0.1 s"}))
    assert (held.opened, held.stayed) == (30, 30)
    assert held.refusals == {"refuses the WebSocket with status 503": 20}


def test_nobody_else_is_asked(made: Made) -> None:
    site = made({"updates": [0.1]})
    watch(site)
    assert set(truth(site.page.host_header)["asked"]) == {"/ws", "/truth"}


def test_socket_io_is_joined_and_kept() -> None:
    address = parsed("w", "ws://h/socket.io/?EIO=4&transport=websocket")
    dialect = dialect_of(address, ("42/a",))
    assert dialect == Dialect(engine=True, events=True, hello=("40", "42/a"))
    assert (dialect.answer("2"), dialect.answer("42[1]"), dialect.answer(b"2")) == ("3", None, None)
    # An event with bytes is one update, not one for its text and one for its bytes.
    seen = [dialect.is_update(one, None) for one in ('42["a"]', "451-[]", b"x", "0{}", "40", "3")]
    assert seen == [True, True, False, False, False, False]
    assert dialect.is_update('42["metrics",1]', '["metrics"')


def test_engine_io_without_socket_io() -> None:
    dialect = dialect_of(parsed("w", "ws://h/engine.io/?EIO=4"), ("4hi",))
    assert dialect == Dialect(engine=True, hello=("4hi",))
    assert [dialect.is_update(one, None) for one in ("4x", b"x", "0{}", "2")] == [
        True,
        True,
        False,
        False,
    ]
    assert dialect_of(parsed("w", "ws://h/ws"), ("hi",)) == Dialect(hello=("hi",))

"""What is spoken over a WebSocket, for how long it is watched, and when there is none to open."""

import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.dashboard import connections, watch
from pytest_flowhealth.probes.dashboard.address import parsed
from pytest_flowhealth.probes.dashboard.websocket import Dialect, dialect_of
from tests.kit.dashboard import site_with

URL = "http://127.0.0.1:9/"


def test_socket_io_is_joined_and_its_events_are_updates() -> None:
    address = parsed("w", "ws://h/socket.io/?EIO=4&transport=websocket")
    dialect = dialect_of(address, ("42/a",))
    assert dialect == Dialect(engine=True, events=True, hello=("40", "42/a"))
    assert (dialect.answer("2"), dialect.answer("42[1]"), dialect.answer(b"2")) == ("3", None, None)
    # An event with bytes is one update, not one for its text and one for its bytes.
    seen = [dialect.is_update(one, None) for one in ('42["a"]', "451-[]", b"x", "0{}", "40", "3")]
    assert seen == [True, True, False, False, False, False]
    assert dialect.is_update('42["metrics",1]', '["metrics"')
    assert not dialect.is_update('42["other",1]', '["metrics"')


def test_engine_io_counts_its_messages_and_a_plain_websocket_all_and_answers_nothing() -> None:
    dialect = dialect_of(parsed("w", "ws://h/engine.io/?EIO=4"), ("4hi",))
    assert dialect == Dialect(engine=True, hello=("4hi",))
    seen = [dialect.is_update(one, None) for one in ("4x", b"x", "0{}", "2")]
    assert seen == [True, True, False, False]
    plain = dialect_of(parsed("w", "ws://h/ws"), ("hi",))
    assert plain == Dialect(hello=("hi",))
    assert (plain.answer("2"), plain.is_update("2", None)) == (None, True)


@pytest.mark.parametrize("interval", [0.1, 1.0, 27.0, 60.0])
def test_the_window_gives_the_distances_that_a_p95_needs(tmp_path: Path, interval: float) -> None:
    site = site_with(tmp_path, url=URL, update_interval=f"{interval} s")
    # The first update may come late in its interval, and one at once does not count.
    distances = (watch.window_of(site) - interval - watch.GREETING * interval) // interval
    assert distances >= watch.DISTANCES


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [({"window": "3 s"}, 3.0), ({"window": "1 h"}, watch.LONGEST), ({"updates": False}, 5.0)],
)
def test_a_configured_window_counts_up_to_its_limit(
    tmp_path: Path, settings: dict[str, object], seconds: float
) -> None:
    assert watch.window_of(site_with(tmp_path, url=URL, **settings)) == seconds


@pytest.mark.parametrize(
    ("settings", "probe", "error", "said"),
    [
        ({}, watch.watch, NotApplicable, "no WebSocket is configured"),
        ({"connections": {"open": 5}}, connections.hold, CheckFailed, "dashboard.websocket is not"),
        ({"subscribe": ["x"]}, watch.watch, CheckFailed, "dashboard.websocket is not"),
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
        watch.watch(site_with(tmp_path, url=URL, websocket="ws://127.0.0.1:9/"))
    assert caught.value.remedy == "pip install 'pytest-flowhealth[web]'"

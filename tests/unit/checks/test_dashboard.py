"""What the dashboard's checks make of what the probes measured."""

from collections.abc import Callable
from types import SimpleNamespace

import msgspec
import pytest

from checks import test_dashboard as checks
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.plugin.execution.fixture import Health
from pytest_flowhealth.plugin.execution.running_check import Attempt, RunningCheck
from pytest_flowhealth.probes.dashboard import BrowserView, DashboardProbe, watch
from pytest_flowhealth.probes.dashboard.connections import HeldConnections

SMOOTH, SLOW = (16.7,) * 60, (60.0,) * 20
SHOWN = BrowserView(SMOOTH, (), None, (), (), "150.0", True, SMOOTH)


def run_check(check: Callable[..., None], result: object) -> Attempt:
    """Run a check whose probe found `result`, and return what it noted."""
    running = RunningCheck(None)  # type: ignore[arg-type]  # nobody reads its spec
    check(
        Health(running),
        SimpleNamespace(show_in_browser=lambda: result, hold_connections=lambda: result),
    )
    return running.attempt


def run_browser_check(**fields: object) -> Attempt:
    return run_check(checks.test_browser, msgspec.structs.replace(SHOWN, **fields))


@pytest.mark.parametrize(
    ("frames", "empty", "doubtful"),
    [
        (SMOOTH, SMOOTH, False),
        (SMOOTH, SLOW, False),
        (SLOW, SMOOTH, False),
        (SLOW, SLOW, True),  # a machine that can't draw an empty page either
    ],
)
def test_slow_frames_are_doubtful_if_an_empty_page_is_slow_too(
    frames: tuple[float, ...], empty: tuple[float, ...], doubtful: bool
) -> None:
    notes = run_browser_check(frames=frames, empty=empty)
    assert set(notes.series) == {"frame", "fps"}
    doubts = {one.measurement.doubt for one in notes.series.values()}
    assert ("too busy to tell" in str(doubts)) is doubtful


def test_errors_of_the_console_warn_and_name_the_servers_that_were_not_reached() -> None:
    notes = run_browser_check(errors=("thrown",), refused=("http://127.0.0.2:9",))
    (warning,) = notes.warnings
    assert "thrown" in warning
    assert "http://127.0.0.2:9 was not asked" in warning
    assert run_browser_check(refused=("http://127.0.0.2:9",)).warnings == []


def test_a_page_without_a_frame_fails() -> None:
    with pytest.raises(CheckFailed, match="drew no frame"):
        run_browser_check(frames=())


@pytest.mark.parametrize(
    ("opened", "stayed", "refusals", "said"),
    [
        (40, 40, {"refuses with 503": 10}, "40 of 50 connections were opened, 40 stayed"),
        (50, 0, {}, "the server dropped them"),
    ],
)
def test_connections_that_do_not_stay_fail_with_the_reason(
    opened: int, stayed: int, refusals: dict[str, int], said: str
) -> None:
    held = HeldConnections(50, opened, stayed, 1.0, refusals, (), ())
    with pytest.raises(CheckFailed, match=said):
        run_check(checks.test_capacity, held)


def test_a_probe_runs_once_for_all_checks_and_again_for_one_that_is_retried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = iter(range(9))
    monkeypatch.setattr(watch, "measure_websocket", lambda _: next(results))
    dashboard = DashboardProbe(None)  # type: ignore[arg-type]
    monkeypatch.setattr(dashboard, "_run", lambda measure: measure(None))
    names = ("websocket", "updates", "websocket", "message", "updates", "updates")
    found: list[object] = [dashboard.measure_websocket(name) for name in names]
    assert found == [0, 0, 1, 1, 1, 2]

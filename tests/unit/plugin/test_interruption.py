"""Signals that end the demo's work."""

import signal
from collections.abc import Iterator

import pytest

from pytest_flowhealth.plugin.demo.interruption import ended_by_signals, hold_signals


@pytest.fixture(autouse=True)
def handled() -> Iterator[None]:
    with ended_by_signals():
        yield


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_raises_keyboard_interrupt_with_its_name(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt, match=number.name):
        signal.raise_signal(number)


def test_a_signal_that_is_held_back_is_raised_when_the_outermost_block_ends() -> None:
    done = []

    def work() -> None:
        with hold_signals():
            with hold_signals():
                signal.raise_signal(signal.SIGTERM)
                done.append("inner")
            done.append("outer")
        done.append("afterwards")

    with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        work()
    assert done == ["inner", "outer"]


def test_an_error_in_a_block_that_holds_signals_back_does_not_hold_the_next_one() -> None:
    with pytest.raises(OSError, match="no program"), hold_signals():
        raise OSError("no program")

    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


def test_the_handlers_of_before_are_restored() -> None:
    before = signal.getsignal(signal.SIGHUP)

    with ended_by_signals():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    assert signal.getsignal(signal.SIGHUP) == before

"""The ring buffer of the last samples."""

from pytest_flowhealth.monitor.ring_buffer import Ring


def test_ring_returns_the_last_samples_of_a_metric() -> None:
    ring = Ring(3)
    for at in range(5):
        ring.add(float(at), {"a": float(at)} if at != 3 else {"b": 1.0})

    assert ring.points("a") == [(2.0, 2.0), (4.0, 4.0)]
    assert ring.points("b") == [(3.0, 1.0)]
    assert ring.points("a", since=3.0) == [(4.0, 4.0)]
    assert ring.points("c") == []


def test_clock_that_was_set_back_begins_anew_in_order() -> None:
    ring = Ring(3)
    for at in (100.0, 101.0, 50.0, 51.0):
        ring.add(at, {"a": at})

    assert ring.points("a") == [(50.0, 50.0), (51.0, 51.0)]
    assert ring.last() == (51.0, {"a": 51.0})

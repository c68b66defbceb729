"""The sentinel's references that a host keeps from one benchmark to the next."""

from __future__ import annotations

from pathlib import Path

from pytest_flowhealth.probes.wasm.harness import Sampled, _ratios
from pytest_flowhealth.probes.wasm.host import FEWEST, MOST, Host


def test_a_reference_is_the_median_of_the_last_ones(tmp_path: Path) -> None:
    host = Host(tmp_path)
    for number in range(FEWEST):
        assert host.reference("v20") is None
        host.keep("v20", 1.0 + number)
    assert host.reference("v20") == 3.0
    assert host.reference("v22") is None
    for _ in range(MOST):
        host.keep("v20", 9.0)
    assert host.reference("v20") == 9.0


def test_what_cannot_be_read_or_written_is_no_reference(tmp_path: Path) -> None:
    host = Host(tmp_path)
    for _ in range(FEWEST):
        host.keep("v20", 1.0)
    for path in tmp_path.iterdir():
        path.write_bytes(b"\xff[1, NaN")
    assert host.reference("v20") is None
    host.keep("v20", 0.0)
    assert host.reference("v20") is None
    nowhere = Host(None)
    nowhere.keep("v20", 1.0)
    assert nowhere.reference("v20") is None


def sampled(sentinel: float) -> Sampled:
    return Sampled(
        js=((30.0, sentinel),) * 11,
        wasm=((1.0, sentinel),) * 11,
        growth={"js": 2.0, "wasm": 2.0},
        steady={"js": True, "wasm": True},
        iterations=1,
        baselines=(),
        blocks=(),
        memory_exported=False,
        rss=(),
        node="v20",
    )


def test_a_steady_load_shows_beside_what_the_host_was_before() -> None:
    found = [sampled(2.0)] * 6

    assert len(_ratios(found, None)) == 6  # within the benchmark nothing shows
    assert len(_ratios(found, 1.9)) == 6
    assert _ratios(found, 1.0) == []

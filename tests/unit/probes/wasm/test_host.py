"""The sentinel's references that a host keeps from one benchmark to the next."""

from pathlib import Path

from pytest_flowhealth.probes.wasm.host import FEWEST, MOST, HostBaseline


def test_a_reference_is_the_median_of_the_last_ones(tmp_path: Path) -> None:
    host = HostBaseline(tmp_path)
    for number in range(FEWEST):
        assert host.reference("v20") is None
        host.keep("v20", 1.0 + number)
    assert host.reference("v20") == 3.0
    assert host.reference("v22") is None
    for _ in range(MOST):
        host.keep("v20", 9.0)
    assert host.reference("v20") == 9.0


def test_what_cannot_be_read_or_written_is_no_reference(tmp_path: Path) -> None:
    host = HostBaseline(tmp_path)
    for _ in range(FEWEST):
        host.keep("v20", 1.0)
    for path in tmp_path.iterdir():
        path.write_bytes(b"\xff[1, NaN")
    assert host.reference("v20") is None
    host.keep("v20", 0.0)
    assert host.reference("v20") is None
    nowhere = HostBaseline(None)
    nowhere.keep("v20", 1.0)
    assert nowhere.reference("v20") is None

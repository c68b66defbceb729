"""What the monitor reads of the machine every second."""

from pathlib import Path

from pytest_flowhealth.monitor.system_sampler import UNITS, Sampler


def test_sampler_reads_known_metrics() -> None:
    sampler = Sampler(Path("/"))
    sampler.read()
    found = sampler.read()

    assert set(found) <= set(UNITS)
    assert {"system.memory", "system.memory_available", "system.disk", "system.load"} <= set(found)
    assert 0 <= found["system.memory"] <= 100


def test_missing_folder_has_no_disk_figure(tmp_path: Path) -> None:
    found = Sampler(tmp_path / "gone").read()

    assert "system.disk" not in found
    assert "system.memory" in found

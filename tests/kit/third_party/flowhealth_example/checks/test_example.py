"""Checks of another package, which need nothing but the public API."""

import os
from concurrent.futures import Future

import pytest

from pytest_flowhealth import Health, Target, prefetch
from pytest_flowhealth.probes.processes import ProcessProbe


@prefetch
def manifest_size(target: Target) -> int:
    """The bytes of package.json."""
    return (target.root / "package.json").stat().st_size


@pytest.mark.health("example", timeout=10)
@pytest.mark.threshold("manifest", warn=100, fail=1_000, unit="kB")
def test_manifest(health: Health, manifest_size: Future[int]) -> None:
    """package.json is small."""
    health.measure("manifest", manifest_size.result(), unit="B")


@pytest.mark.health("example", timeout=10)
@pytest.mark.threshold("memory", warn=2, fail=4, unit="GiB")
def test_memory(health: Health, process_probe: ProcessProbe) -> None:
    """This process does not need much memory."""
    usage = process_probe.measure(pid=os.getpid(), seconds=0.1)
    health.measure("memory", usage.memory, unit="B")
    health.measure("cpu", usage.cpu, unit="%")

"""The figures of this machine: its memory, CPU, disk, control groups, Node and npm."""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.system import cgroup, resources, runtimes
from tests.kit.projects import write_program


def test_cpu_and_control_groups_of_this_machine_have_plausible_figures(tmp_path: Path) -> None:
    found = resources.measure_cpu(0.2, root=tmp_path)
    assert found.scope == "machine"
    assert 0 <= found.used <= 100
    assert all(limit.limit > 0 and limit.used >= 0 for limit in cgroup.memory_limits())
    assert all(limit.cpus > 0 for limit in cgroup.cpu_limits())


@pytest.mark.skipif(shutil.which("df") is None, reason="df is not installed")
def test_disk_is_as_df_shows_it(tmp_path: Path) -> None:
    found = resources.read_disk(tmp_path)

    command = ["df", "--output=pcent,ipcent", str(tmp_path)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    percent, inodes = shown.splitlines()[1].split()
    assert found.used == pytest.approx(float(percent.rstrip("%")), abs=1.1)  # df rounds up
    if found.inodes_used is not None:
        assert found.inodes_used == pytest.approx(float(inodes.rstrip("%")), abs=1.1)
    assert found.free > 0


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_node_and_npm_tell_their_versions_and_the_platform() -> None:
    assert runtimes.version("node").count(".") == 2
    assert runtimes.version("npm").count(".") == 2
    found = runtimes.host()
    assert found.told_by == "node"
    assert found.release == platform.release()


@pytest.mark.parametrize(
    ("hangs", "error", "says"),
    [
        (True, MeasurementUnavailable, "gave no answer within"),
        (False, CheckFailed, "no `node` on the PATH"),
    ],
)
def test_a_node_that_hangs_or_is_absent_has_no_version_and_python_tells_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs: bool, error: type[Exception], says: str
) -> None:
    path = write_program(tmp_path, "node", "sleep 60") if hangs else str(tmp_path)
    monkeypatch.setenv("PATH", path)
    with pytest.raises(error, match=says):
        runtimes.version("node", timeout=0.2)
    found = runtimes.host(timeout=0.2)
    assert found.told_by == "python"
    assert found.platform
    assert found.architecture

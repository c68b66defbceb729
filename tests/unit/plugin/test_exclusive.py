"""An exclusive check holds the lock of all workers alone; other checks share it."""

import fcntl
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_flowhealth.plugin.execution.exclusive import LockFile, hold_lock


@pytest.mark.parametrize("exclusive", [True, False])
def test_only_checks_that_are_not_exclusive_run_beside_each_other(exclusive: bool) -> None:
    keeper, worker = LockFile(), SimpleNamespace(workerinput={})
    keeper.pytest_configure_node(worker)
    (path,) = worker.workerinput.values()

    with hold_lock(worker, exclusive=exclusive), Path(path).open("a") as other:  # type: ignore[arg-type]
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if exclusive:
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        else:
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)

    keeper.pytest_unconfigure()
    assert not Path(path).exists()

"""Real servers of metrics, each in a folder and on a port of its own."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.kit.redis import free_port


@contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    """Run a Prometheus that takes remote writes, and give its address."""
    program = _program("prometheus")
    folder.mkdir()
    (folder / "empty.yml").write_text("")
    url = f"http://127.0.0.1:{free_port()}"
    argv = (
        *(program, f"--config.file={folder}/empty.yml", "--web.enable-remote-write-receiver"),
        *(f"--storage.tsdb.path={folder}/data", f"--web.listen-address={url[7:]}"),
    )
    with _running(argv, f"{url}/-/ready"):
        yield url


@contextmanager
def victoria(folder: Path) -> Iterator[str]:
    """Run a VictoriaMetrics as its package does, and give its address."""
    program = _program("victoria-metrics")
    url = f"http://127.0.0.1:{free_port()}"
    argv = (program, f"-httpListenAddr={url[7:]}", f"-storageDataPath={folder}")
    with _running(argv, f"{url}/health"):
        yield url


@contextmanager
def _running(argv: Sequence[str], ready: str) -> Iterator[None]:
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(ready)
            yield
        finally:
            process.terminate()


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} is installed (apt)")
    return found


def _wait(url: str) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            if requests.get(url, timeout=1).ok:
                return
        except requests.RequestException:
            pass
        assert time.monotonic() < end
        time.sleep(0.1)

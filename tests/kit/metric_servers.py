"""Real servers of metrics and alerts, each in a folder and on a port of its own."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
import requests

from tests.kit.redis import free_port
from tests.kit.waiting import wait_for


class MetricServer:
    """A program that serves HTTP; stopped and started again, it keeps its port and its folder.

    Args:
        names: The program's name, in each of the distributions.
        arguments: Returns its arguments for a port.
        ready: The path that answers once it is ready.
    """

    def __init__(
        self, names: Sequence[str], arguments: Callable[[int], Sequence[str]], ready: str
    ) -> None:
        found = next(filter(None, map(shutil.which, names)), None)
        if found is None:
            pytest.skip(f"no {names[0]} is installed (apt)")
        self.port = free_port()
        self._argv = (found, *arguments(self.port))
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self._process = subprocess.Popen(
            self._argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self._is_ready, message=f"{self._argv[0]} did not start")

    def stop(self) -> None:
        """Stop it in good order; without a process, do nothing."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def get(self, path: str, **query: str) -> Any:
        """Return the JSON at a path."""
        return requests.get(f"{self.url}{path}", params=query, timeout=10).json()

    def values(self, query: str) -> list[float]:
        """Return the values of a PromQL query, of what has been written so far too."""
        # VictoriaMetrics shows what it has taken only a second later; Prometheus has no such path.
        requests.get(f"{self.url}/internal/force_flush", timeout=10)
        result = self.get("/api/v1/query", query=query)["data"]["result"]
        return [float(series["value"][1]) for series in result]

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self._argv[0]} ended at once"
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.url}{self._ready}", timeout=1).ok
        return False


def prometheus_server(folder: Path) -> MetricServer:
    """Return a Prometheus that takes remote writes."""
    folder.mkdir()
    (folder / "empty.yml").write_text("")
    return MetricServer(
        ["prometheus"],
        lambda port: (
            *(f"--config.file={folder}/empty.yml", "--web.enable-remote-write-receiver"),
            *(f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"),
        ),
        "/-/ready",
    )


def victoria_server(folder: Path, *arguments: str) -> MetricServer:
    """Return a VictoriaMetrics as its package runs it, with further arguments."""
    return MetricServer(
        ["victoria-metrics"],
        lambda port: (
            *(f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={folder}", *arguments),
        ),
        "/health",
    )


def alertmanager_server(folder: Path, hook: str) -> MetricServer:
    """Return an Alertmanager that notifies the webhook `hook` of each alert at once."""
    folder.mkdir()
    (folder / "am.yml").write_text(
        f"""
route: {{receiver: ours, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: ours, webhook_configs: [{{url: '{hook}', send_resolved: true}}]}}]
"""
    )
    return MetricServer(
        ["prometheus-alertmanager", "alertmanager"],
        lambda port: (
            *(f"--config.file={folder}/am.yml", f"--storage.path={folder}/data"),
            *(f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="),
        ),
        "/-/ready",
    )

"""The location of a history: a local file, and optionally a server that receives the same samples."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pytest_flowhealth.config.history import HistoryAddress, parse_history_address
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history.database import require_usable
from pytest_flowhealth.history.remote.request_queue import QueueLimits

if TYPE_CHECKING:
    from pytest_flowhealth.history.remote.server_reader import ServerReader
    from pytest_flowhealth.history.remote.write_client import RemoteWriteClient

FILE = Path(".flowhealth/history.db")
"""The file, relative to the project, where the address names a server, or a monitor none."""


class HistoryLocation(msgspec.Struct, frozen=True):
    """The file of a history, and the URL of its `server` with its `token`.

    `limits` bound the queue of requests to the server.
    """

    path: Path
    server: str | None = None
    token: str | None = None
    limits: QueueLimits = QueueLimits()

    @property
    def queue(self) -> Path:
        """The folder where requests wait for the server."""
        return self.path.with_name(f"{self.path.name}.remote")

    def start_write_client(self) -> RemoteWriteClient | None:
        """Start a client that writes to the server; return None without a server.

        Raises:
            UsageError: What remote write needs is not installed.
        """
        if self.server is None:
            return None
        from pytest_flowhealth.history.remote.write_client import RemoteWriteClient

        return RemoteWriteClient(self.server, self.queue, self.token, self.limits)

    def reader(self, target: Target, timeout: float = 3.0) -> ServerReader | None:
        """Return a reader of what this host wrote about `target`; None without a server."""
        if self.server is None:
            return None
        from pytest_flowhealth.history.remote.promql_client import PromQLClient
        from pytest_flowhealth.history.remote.server_reader import ServerReader

        server = PromQLClient(self.server, self.token, timeout)
        name = target.name or target.root.name
        return ServerReader(server, platform.node(), name, target.instance)


def find_usable_location(url: str | None, folder: Path, target: Target) -> HistoryLocation:
    """Return the location of a monitor's history: as `find_location`, else the file in the project.

    Raises:
        UsageError: The address is none, or a newer version wrote the file.
    """
    place = find_location(url, folder, target) or HistoryLocation(target.root / FILE)
    require_usable(place.path)
    return place


def find_location(
    typed: str | None, folder: Path, target: Target, environ: Mapping[str, str] = os.environ
) -> HistoryLocation | None:
    """Return the location of the history; None if none is configured.

    Args:
        typed: --health-history, relative to `folder`.
        folder: Where it was typed.
        target: Whose configuration counts where nothing was typed.
        environ: Where the server's token is.

    Raises:
        UsageError: The address is none, or its token is not set.
    """
    address, base = target.config.history.url, target.root
    if typed is not None:
        address, base = _parse_typed(typed), folder
    if address is None:
        return None
    if address.file is not None:
        return HistoryLocation(base / address.file)
    settings = target.config.history
    limits = QueueLimits(settings.queue_size, settings.queue_age)
    return HistoryLocation(target.root / FILE, address.server, _token(target, environ), limits)


def _parse_typed(text: str) -> HistoryAddress:
    try:
        return parse_history_address(text)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _token(target: Target, environ: Mapping[str, str]) -> str | None:
    name = target.config.history.token_env
    if name is None:
        return None
    token = environ.get(name, "").strip()
    if not token:
        raise UsageError(f"the variable {name}, which history.token_env names, is not set")
    return token

"""The section of the history: `[history]`."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec

from pytest_flowhealth.config.notation import (
    DAY,
    MIB,
    Duration,
    NonEmpty,
    Size,
    make_meta,
    split_web_address,
)

_FILE = "sqlite:///"
_EXPECTED = (
    "sqlite:///PATH, with four slashes for an absolute path, such as sqlite:///.flowhealth/history.db, "
    "or the URL of a server, such as http://localhost:8428"
)


class HistoryAddress(NamedTuple):
    """Where runs are stored: in a file, or also on a Prometheus-compatible server.

    Attributes:
        file: The path, relative to the project or to the current folder; None for a server.
        server: The server's URL; None for a file.
    """

    file: str | None = None
    server: str | None = None

    @property
    def url(self) -> str:
        """The address as it is written."""
        return self.server or f"{_FILE}{self.file}"


def parse_history_address(text: str) -> HistoryAddress:
    """Return the address that a text names.

    Raises:
        ValueError: It names none. The message has no part of the text: it may contain a password.
    """
    if text.startswith(_FILE) and text != _FILE and "\0" not in text:
        return HistoryAddress(file=text.removeprefix(_FILE))
    try:
        split_web_address(text)
    except ValueError:
        raise ValueError(f"the address of the history is invalid: expected {_EXPECTED}") from None
    return HistoryAddress(server=text)


HistoryUrl = Annotated[
    HistoryAddress,
    make_meta(
        "address",
        _EXPECTED,
        parse_history_address,
        pattern="^(sqlite:///|[Hh][Tt][Tt][Pp][Ss]?://).",
        write=lambda address: address.url,
        secret=True,
    ),
]


class History(msgspec.Struct, frozen=True):
    """Where the results of runs are stored, and how long."""

    url: HistoryUrl | None = None
    """Where runs are stored: `sqlite:///PATH`, relative to the project, or the address of a
    Prometheus-compatible server, which then gets them too; default: nowhere.
    Example: `"sqlite:///.flowhealth/history.db"`."""
    token_env: NonEmpty | None = None
    """The environment variable with the token (`Authorization: Bearer`) of a server.
    Example: `"METRICS_TOKEN"`."""
    queue_size: Size = 512 * MIB
    """How much may wait on disk for a server that does not respond."""
    queue_age: Duration = 7 * DAY
    """How long it may wait; older data is dropped, which is reported."""
    samples: Duration = DAY
    """How long samples of one second are kept."""
    rollups: Duration = 90 * DAY
    """How long the roll-ups of minutes and hours are kept."""
    runs: Duration = 90 * DAY
    """How long runs are kept that are not a baseline."""

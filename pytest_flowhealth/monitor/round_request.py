"""What the monitor asks a round for; apart from the protocol, as every run looks for it."""

from __future__ import annotations

import os
from functools import cache

import msgspec

from pytest_flowhealth.config.model import Configuration, Limits

VARIABLE = "FLOWHEALTH_ROUND"
"""The environment variable with a `RoundRequest`, as JSON."""

MARK = "FLOWHEALTH_MONITORED"
"""The environment variable by which a round's programs are known."""


class ConfigSnapshot(msgspec.Struct, frozen=True):
    """A configuration that was read; the fields are those of `config.target.Target`."""

    config: Configuration
    sources: dict[str, str]
    environment_thresholds: dict[str, Limits]


class RoundRequest(msgspec.Struct, frozen=True):
    """What the monitor asks a round for.

    Attributes:
        pipe: The number of the file that frames are written to.
        also: Components besides those that a run without names looks at.
        settled: The configuration that the monitor goes by; its file may have been changed since.
        history: The monitor's own file.
    """

    pipe: int
    also: tuple[str, ...] = ()
    settled: ConfigSnapshot | None = None
    history: str | None = None


@cache
def read_round_request() -> RoundRequest | None:
    """Return the request of this round; None if this process is not a round. It is removed from the environment."""
    text = os.environ.pop(VARIABLE, None)
    return msgspec.json.decode(text, type=RoundRequest) if text else None

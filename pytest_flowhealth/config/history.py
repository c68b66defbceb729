"""The section of the history: `[history]`."""

from __future__ import annotations

import msgspec

from pytest_flowhealth.config.notation import DAY, MIB, Duration, NonEmpty, Secret, Size


class History(msgspec.Struct, frozen=True):
    """Where the results of runs are stored, and how long."""

    url: Secret | None = None
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

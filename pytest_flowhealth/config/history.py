"""What can be configured of the history: `[history]`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class History(msgspec.Struct, frozen=True):
    """What earlier runs measured, and how long it is kept."""

    url: Annotated[
        str | None,
        Meta(
            description="Where runs are kept: `sqlite:///PATH`, relative to the project; or the address "
            "of a Prometheus-compatible server, which then gets them besides; else nowhere.",
            examples=["sqlite:///.flowhealth/history.db"],
        ),
    ] = None
    token_env: Annotated[
        str | None,
        Meta(
            description="The environment variable with the token (`Authorization: Bearer`) for a "
            "server.",
            examples=["METRICS_TOKEN"],
        ),
    ] = None
    queue_size: Annotated[
        str,
        Meta(description="How much may wait on disk for a server that can't be reached."),
    ] = "512 MiB"
    queue_age: Annotated[
        str, Meta(description="How long it may wait; what is older is dropped, and that is told.")
    ] = "7 d"
    samples: Annotated[str, Meta(description="How long one-second samples are kept.")] = "24 h"
    rollups: Annotated[
        str, Meta(description="How long the roll-ups of minutes and hours are kept.")
    ] = "90 d"
    runs: Annotated[str, Meta(description="How long runs are kept that are no baseline.")] = "90 d"

"""What can be configured of reports of installations: `[feedback]`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pytest_flowhealth.domain.units import parse_duration

LONGEST = 90 * 86_400.0
"""Seconds that a report is kept at the most."""


class Feedback(msgspec.Struct, frozen=True):
    """Reports of installations: sending them, and receiving them at the web page, see reports.md."""

    receive: Annotated[
        Literal["token", "open", "off"],
        Meta(
            description="Who may hand in reports at `/api/reports`: who shows a token with the scope "
            "`report`, everybody, or nobody."
        ),
    ] = "token"
    packages: Annotated[
        tuple[str, ...],
        Meta(
            description="Packages besides the project's own of which reports are received.",
            examples=[["@shop/cli"]],
        ),
    ] = ()
    per_minute: Annotated[
        int,
        Meta(description="How many reports one address may hand in within a minute.", ge=1),
    ] = 30
    key_file: Annotated[
        str,
        Meta(
            description="The file with the key of what is told around errors, relative to the project; "
            "made at first use, for its owner alone. `FLOWHEALTH_FEEDBACK_KEY` goes before it. Keep it "
            "out of the database's backups."
        ),
    ] = ".flowhealth/feedback.key"
    keep: Annotated[str, Meta(description="How long reports are kept, 90 days at the most.")] = (
        "90 d"
    )
    window: Annotated[
        str, Meta(description="How far back reports count for `npm.install_success`.")
    ] = "7 d"


def require_keep(text: str) -> None:
    """Refuse to keep reports for longer than is promised to who sends them.

    Raises:
        ValueError: It is longer, or no duration.
    """
    if parse_duration(text) > LONGEST:
        raise ValueError("must be 90 days at the most")

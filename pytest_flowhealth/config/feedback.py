"""The section of install reports: `[feedback]`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pytest_flowhealth.config.notation import (
    DAY,
    LONGEST_RETENTION,
    Duration,
    NonEmpty,
    PackageName,
    Retention,
)


class Feedback(msgspec.Struct, frozen=True):
    """Install reports: sending them, and receiving them at the web page, see reports.md."""

    receive: Literal["token", "open", "off"] = "token"
    """Who may submit reports at `/api/reports`: senders with a token of the scope `report`, everybody, or
    nobody."""
    packages: tuple[PackageName, ...] = ()
    """Packages other than the project's own whose reports are accepted. Example: `["@shop/cli"]`."""
    per_minute: Annotated[int, Meta(ge=1)] = 30
    """How many reports one address may submit within a minute."""
    key_file: NonEmpty = ".flowhealth/feedback.key"
    """The file with the key that encrypts the context of errors, relative to the project; created at first
    use, readable by its owner only. `FLOWHEALTH_FEEDBACK_KEY` takes precedence. Do not back it up
    together with the database."""
    keep: Retention = LONGEST_RETENTION
    """How long reports are kept, at most 90 days."""
    window: Duration = 7 * DAY
    """The period of `npm.install_success`."""

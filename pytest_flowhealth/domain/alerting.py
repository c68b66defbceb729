"""The alert settings of a check, as declared by `@pytest.mark.alert`."""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""The severities in ascending order."""

Raising = Literal["warn", "fail", "unknown"]
RAISING: tuple[Raising, ...] = ("fail", "unknown")
"""The outcomes that raise an alert by default."""


class Alerting(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The alert settings of a check; `after` and `cooldown` in seconds, None for the defaults."""

    after: float = 0.0
    cooldown: float | None = None
    severity: Severity | None = None
    on: tuple[Raising, ...] = RAISING
    runbook: str | None = None

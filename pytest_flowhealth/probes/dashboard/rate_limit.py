"""What a server tells of its rate limit: RateLimit headers, their older forms, and Retry-After."""

from __future__ import annotations

import email.utils
import re
import time

import msgspec

from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.probes.dashboard.http_client import HttpResponse

_EPOCH = 1_000_000_000


class RateLimit(msgspec.Struct, frozen=True):
    """How many requests are left, and in how many seconds they are more; None where unknown."""

    remaining: int | None = None
    reset: float | None = None


def read_rate_limit(response: HttpResponse, now: float | None = None) -> RateLimit:
    """Return the tightest limit that a response tells.

    The forms are those of draft-ietf-httpapi-ratelimit-headers (``RateLimit: "name";r=5;t=30``,
    before that ``limit=100, remaining=5, reset=30``, and ``RateLimit-Remaining``), the usual
    ``X-RateLimit-Remaining`` and ``X-RateLimit-Reset`` (seconds, or a moment), and ``Retry-After``.

    Args:
        response: The response.
        now: Seconds since the epoch; None for the clock's.
    """
    now = time.time() if now is None else now
    found = [*_combined(response), _separate(response, now)]
    known = [limit for limit in found if limit.remaining is not None]
    tightest = min(known, key=lambda limit: limit.remaining or 0, default=RateLimit())
    retry = _moment(response.header("retry-after"), now)
    return RateLimit(tightest.remaining, tightest.reset if retry is None else retry)


def explain_rate_limit(response: HttpResponse) -> str:
    """Return when requests are accepted again, as the end of a sentence; empty if unknown."""
    reset = read_rate_limit(response).reset
    return "" if reset is None else f"; again in {format_number(round(reset))} s"


def _combined(response: HttpResponse) -> list[RateLimit]:
    found = []
    for text in [value for name, value in response.headers if name == "ratelimit"]:
        remaining = re.findall(r"\b(?:r|remaining)\s*=\s*(\d+)", text)
        resets = re.findall(r"\b(?:t|reset)\s*=\s*(\d+)", text)
        for index, count in enumerate(remaining):
            found.append(
                RateLimit(int(count), float(resets[index]) if index < len(resets) else None)
            )
    return found


def _separate(response: HttpResponse, now: float) -> RateLimit:
    for prefix in ("ratelimit-", "x-ratelimit-", "x-rate-limit-"):
        text = response.header(f"{prefix}remaining")
        if text is not None and text.strip().isdigit():
            return RateLimit(int(text), _moment(response.header(f"{prefix}reset"), now))
    return RateLimit()


def _moment(text: str | None, now: float) -> float | None:
    """Return in how many seconds a moment is: seconds from now, since the epoch, or a date."""
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        try:
            return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
        except ValueError:
            return None
    return max(0.0, number - now) if number > _EPOCH else number

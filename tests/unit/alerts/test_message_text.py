"""A message in words."""

import msgspec
import pytest

from pytest_flowhealth.alerts.message_text import make_body, make_title
from tests.kit.alerts import ALERT, MESSAGE


def test_message_names_problem_time_blocked_checks_remedy_and_runbook() -> None:
    assert make_title(MESSAGE) == "[CRITICAL] shop on host:shop: redis.connect"
    assert make_body(MESSAGE).splitlines() == [
        "redis.connect (critical): no Redis listens at 127.0.0.1:6379",
        "  since 2026-01-01 12:00:00 UTC",
        "  blocks 2: redis.ping, redis.memory",
        "  fix: redis-server --daemonize yes",
        "  see: docs/runbook.md#redisconnect",
    ]


def test_control_characters_are_escaped() -> None:
    hostile = msgspec.structs.replace(ALERT, summary="a\x1b[31mb\r\nc")
    text = make_body(msgspec.structs.replace(MESSAGE, alerts=(hostile,)))

    assert "\x1b" not in text
    assert "\r" not in text


@pytest.mark.parametrize("limit", [1_024, 2_000, 4_000])
def test_long_message_keeps_to_its_receivers_limit_and_names_what_is_left_out(limit: int) -> None:
    alerts = tuple(
        msgspec.structs.replace(
            ALERT, name=f"pages.page[{number}]", summary="it answered 502 " * 15
        )
        for number in range(12)
    )

    text = make_body(msgspec.structs.replace(MESSAGE, alerts=alerts), limit)

    assert len(text) <= limit
    assert text.startswith("pages.page[0] (critical): it answered 502")
    assert "pages.page[11]" in text


def test_alert_that_is_longer_than_the_limit_is_cut() -> None:
    alert = msgspec.structs.replace(ALERT, summary="x" * 5_000)

    text = make_body(msgspec.structs.replace(MESSAGE, alerts=(alert,)), 1_024)

    assert len(text) == 1_024
    assert text.endswith("…")

"""A message in words."""

import msgspec

from pytest_flowhealth.alerts.text import body, title
from tests.kit.alerts import ALERT, MESSAGE


def test_message_names_problem_time_blocked_checks_remedy_and_runbook() -> None:
    assert title(MESSAGE) == "[CRITICAL] shop on host:shop: redis.connect"
    assert body(MESSAGE).splitlines() == [
        "redis.connect (critical): no Redis listens at 127.0.0.1:6379",
        "  since 2026-01-01 12:00:00 UTC",
        "  blocks 2: redis.ping, redis.memory",
        "  fix: redis-server --daemonize yes",
        "  see: docs/runbook.md#redisconnect",
    ]


def test_control_characters_are_escaped() -> None:
    hostile = msgspec.structs.replace(ALERT, summary="a\x1b[31mb\r\nc")
    text = body(msgspec.structs.replace(MESSAGE, alerts=(hostile,)))

    assert "\x1b" not in text
    assert "\r" not in text

"""Signs that a started agent is ready, and what is said of starts that fail."""

from typing import NoReturn

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.fleet.readiness import make_signal
from pytest_flowhealth.probes.fleet.spawn import AgentStart, describe_failed_starts


def no_redis() -> NoReturn:
    raise AssertionError("this sign needs no Redis")


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("ready", True),
        ("agent ready.", True),
        ("[ready]", True),
        ("already there", False),
        ("readyish", False),
        ("unready", False),
        ("", False),
    ],
)
def test_a_line_is_a_sign_where_it_has_the_text_as_a_word(line: str, seen: bool) -> None:
    sign = make_signal("stdout: ready ", no_redis, 1.0, "word")
    sign.line(line)
    assert (sign.at is not None, sign.wake.is_set()) == (seen, seen)


def test_there_is_no_other_sign() -> None:
    with pytest.raises(CheckFailed, match="no ready sign 'file:x'"):
        make_signal("file:x", no_redis, 1.0, "word")


WELL = AgentStart(12.0, last_lines=("ready",))
FAILED = AgentStart(None, "it ended with exit code 3 before it was ready", 3, cause="Error: no URL")
LATE = AgentStart(
    None, "it was not ready in time, and still ran: no sign of 'ready'", timed_out=True
)


@pytest.mark.parametrize(
    ("starts", "says"),
    [
        ((WELL, WELL), ""),
        ((FAILED, FAILED), f"2 of 2 starts failed: {FAILED.problem}: Error: no URL"),
        ((WELL, LATE), f"1 of 2 starts failed: {LATE.problem}"),
        (
            (LATE, FAILED),
            f"2 of 2 starts failed: {LATE.problem}; {FAILED.problem}: Error: no URL",
        ),
    ],
)
def test_failed_starts_are_counted_with_their_reasons(
    starts: tuple[AgentStart, ...], says: str
) -> None:
    assert describe_failed_starts(starts) == says

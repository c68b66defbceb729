"""What a failure says in one sentence."""

import pytest

from pytest_flowhealth.plugin.reporting.messages import summarize


class Broken(Exception):
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("error", "summary"),
    [
        (AssertionError("down\nassert 1 == 2\n +  where"), "down"),
        (AssertionError("assert 1 == 2\n +  where"), "assert 1 == 2\n +  where"),
        (AssertionError(), "an assertion failed"),
        (KeyError("x"), "KeyError: 'x'"),
        (SystemExit(0), "SystemExit: 0"),
        (OSError(), "OSError"),
        (Broken(), "Broken: Broken()"),
        (pytest.fail.Exception("no Redis listens"), "no Redis listens"),
        (pytest.fail.Exception(""), "failed"),
        (ValueError("\n".join("123456789")), "ValueError: 1\n2\n3\n4\n5\n6"),
    ],
)
def test_a_failure_is_summed_up_with_its_type_where_it_is_no_assertion(
    error: BaseException, summary: str
) -> None:
    assert summarize(error) == summary


def test_the_place_of_an_error_is_named() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0

    assert summarize(caught.value).startswith(
        "ZeroDivisionError: division by zero (test_messages.py:"
    )

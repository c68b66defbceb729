"""`NAME=WARN:FAIL`, as an option and in the environment."""

import pytest

from pytest_flowhealth.config.limits import parse_threshold_option
from pytest_flowhealth.errors import UsageError

LONG = "9" * 5_000


@pytest.mark.parametrize(
    "text",
    ["", "x", "x=1", "=1:2", "x=a:b", "x=:", "x=1:2:3", "x=1ms:2s", "x=1parsec:", "x=_:1", "x=1:_", "x=1e999:", "x=1__0:", "x=.:1", "x=1:1e", f"x={'9' * 400}:", f"x={LONG}:",
     f"x=1:{'1' * 400} a b", "x=٣:", "x=1:1\ud800", "\x1b[2J", "x=+:", "x=nan:", "x=-inf:", "x= : "],
)  # fmt: skip
def test_a_wrong_threshold_option_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse_threshold_option(text)


@pytest.mark.parametrize(
    ("text", "warn", "unit"),
    [("1_000", 1000, None), ("1.", 1, None), (".5ms", 0.5, "ms"), ("-1e3 s", -1000, "s"), ("5%", 5, "%")],
)  # fmt: skip
def test_a_threshold_option_gives_limits_and_a_unit(
    text: str, warn: float, unit: str | None
) -> None:
    limits = parse_threshold_option(f" a.b = {text} :")[1]
    assert (limits.warn, limits.unit) == (warn, unit)

"""Text that is safe to show."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.domain.text import (
    Redactor,
    find_password,
    find_secrets,
    format_number,
    printable,
)


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_nothing_a_terminal_would_act_on_is_left(text: str) -> None:
    safe = printable(text)

    assert all(
        one == "\n" or unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        for one in safe
    )
    assert not any(line.lstrip().startswith("::") for line in safe.split("\n"))
    assert "##[" not in safe
    assert "##vso[" not in safe
    assert printable(safe, 10**9) == safe


def test_plain_text_stays_and_long_text_is_cut() -> None:
    assert printable("tests/a.py::test_b — ü 中") == "tests/a.py::test_b — ü 中"
    assert printable("x" * 5_000, 10) == "xxxxxxxxxx ... (4,990 more characters)"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:geheim@h:1/0", "redis://:***@h:1/0"),
        ("redis://user:p@ss:word@h", "redis://user:***@h"),
        ("see https://a:b@c/d, and x@y", "see https://a:***@c/d, and x@y"),
        ("https://c/d?mail=x@y", "https://c/d?mail=x@y"),
        ("redis://u:@h", "redis://u:***@h"),
    ],
)
def test_the_password_of_a_url_is_hidden(url: str, shown: str) -> None:
    assert Redactor()(url) == shown


def test_a_known_secret_is_hidden_in_each_of_its_forms() -> None:
    redact = Redactor(["p%40ss/word"])

    assert redact("p%40ss/word p@ss/word p%40ss%2Fword") == "*** *** ***"


def test_variables_that_are_named_like_secrets_and_passwords_in_urls_are_secrets() -> None:
    environ = {
        "DB_PASSWORD": "one1",
        "API_KEY": "two2",
        "HOME": "/h",
        "URL": "x://u:three3@h",
        "EMPTY_TOKEN": "",
    }

    assert find_secrets(environ) == {"one1", "two2", "three3"}
    assert find_password("redis://u:pw@h") == "pw"
    assert find_password("redis://h") is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (1234567, "1,234,567"),
        (94.05, "94.05"),
        (0.012349, "0.01235"),
        (100.3, "100.3"),
        (-3.0, "-3"),
    ],
)
def test_a_figure_has_four_significant_digits(value: float, shown: str) -> None:
    assert format_number(value) == shown


@pytest.mark.timeout(60)  # a pattern that backtracks would take hours
@pytest.mark.parametrize(
    "text", ["http://h " + "x" * 1_000_000, "a://" * 250_000, "token" * 200_000]
)
def test_a_megabyte_of_anything_is_redacted_without_backtracking(text: str) -> None:
    assert Redactor(["p%40ss/word"])(text) == text

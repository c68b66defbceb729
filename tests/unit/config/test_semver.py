"""Version ranges; tests/integration/project/test_npms_rules.py compares them with npm's own module."""

import pytest

from pytest_flowhealth.config.semver import is_range, satisfies


@pytest.mark.parametrize(
    ("wanted", "inside", "outside"),
    [
        ("^1.2.3", "1.9.9", "2.0.0"), ("^0.2.3", "0.2.9", "0.3.0"), ("~1.2", "1.2.9", "1.3.0"), ("1.x", "1.9.0", "2.0.0"),
        (">=20", "20.0.0", "19.9.9"), (">1 <3", "2.5.0", "3.0.0"), ("1.2.3 - 2.3", "2.3.9", "2.4.0"),
        ("^1 || ^3", "3.1.0", "2.0.0"), ("^1.2.3-alpha.1", "1.2.3-alpha.beta", "1.3.0-pre"), ("*", "1.0.0", "1.0.0-rc.1"),
    ],
)  # fmt: skip
def test_a_version_is_inside_or_outside_a_range(wanted: str, inside: str, outside: str) -> None:
    assert satisfies(inside, wanted)
    assert not satisfies(outside, wanted)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("^1.2.3", True), ("*", True), ("", True), ("latest", False), ("banana", False), ("^^1", False),
        ("vv1.2.3", False), ("1.2.3.4", False), ("01.2.3", False), ("1.2.3-01", False),
    ],
)  # fmt: skip
def test_a_tag_or_a_malformed_version_is_no_range(text: str, expected: bool) -> None:
    assert is_range(text) is expected


@pytest.mark.parametrize(
    "text",
    ["v" * 5_000_000, "1" * 5_000_000, "|" * 5_000_000, "1 " * 5_000_000, "=" * 999, "1.2.3-" + "a." * 490],
    ids=["v", "digits", "bars", "words", "signs", "tag"],
)  # fmt: skip
def test_an_absurdly_long_range_is_refused_at_once(text: str) -> None:
    assert not is_range(text)

"""Version ranges; tests/integration/project/test_npms_rules.py compares them with npm's own module."""

import pytest

from pytest_flowhealth.config.semver import range_of, satisfies


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
    ("spec", "wanted"),
    [
        ("^1.2.3", "^1.2.3"), ("*", "*"), ("", ""), ("latest", None), ("file:../x", None), ("workspace:*", None),
        ("npm:other@^1", None), ("git+ssh://x/y.git", None), ("user/repo", None), ("https://x/y.tgz", None),
        ("banana", None), ("^^1", None), ("vv1.2.3", None), ("1.2.3.4", None), ("01.2.3", None), ("1.2.3-01", None),
    ],
)  # fmt: skip
def test_only_a_registry_spec_has_a_range(spec: str, wanted: str | None) -> None:
    assert range_of(spec) == wanted


@pytest.mark.parametrize(
    "text",
    ["v" * 5_000_000, "1" * 5_000_000, "|" * 5_000_000, "1 " * 5_000_000, "=" * 999, "1.2.3-" + "a." * 490],
    ids=["v", "digits", "bars", "words", "signs", "tag"],
)  # fmt: skip
def test_an_absurdly_long_range_is_refused_at_once(text: str) -> None:
    assert range_of(text) is None

"""What Node and npm tell of themselves, and what package.json's os and cpu exclude."""

from __future__ import annotations

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes import runtimes
from pytest_flowhealth.probes.command import Completed


def printed(text: str, code: int = 0) -> Completed:
    return Completed(("node", "--version"), code, text, "", 0.1)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("v20.1.2\n", "20.1.2"),
        ("9.0.0", "9.0.0"),
        ("v23.0.0-nightly20250101abc\n", "23.0.0"),
        ("a warning\nv18.0.0\n", "18.0.0"),
    ],
)
def test_a_version_is_read_from_the_last_line(said: str, expected: str) -> None:
    assert runtimes.parse_version("node", printed(said)) == expected


@pytest.mark.parametrize(
    ("said", "code"),
    [
        *(("v20.1.2", 1), ("v20.1.2", -9), ("banana", 0), ("", 0)),
        *(("v1.2", 0), ("v22", 0), ("vNext", 0), ("\0" * 65536, 0)),
    ],
    ids=range(8),
)
def test_an_answer_without_a_version_fails(said: str, code: int) -> None:
    with pytest.raises(CheckFailed, match="`node --version` told no version"):
        runtimes.parse_version("node", printed(said, code))


@pytest.mark.parametrize(
    ("name", "allowed", "expected"),
    [
        ("linux", [], False), ("linux", ["any"], False), ("linux", ["linux", "darwin"], False),
        ("linux", ["darwin"], True), ("linux", ["!win32"], False), ("linux", ["!linux"], True),
        ("linux", ["!win32", "linux"], False), ("linux", ["!win32", "darwin"], True),
        ("linux", ["linux", "!linux"], True),
    ],
)  # fmt: skip
def test_a_platform_is_excluded_by_name_or_by_not_being_named(
    name: str, allowed: list[str], expected: bool
) -> None:
    assert runtimes.excluding(name, allowed) is expected

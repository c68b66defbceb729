"""The versions that Node and npm print."""

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.command import Completed
from pytest_flowhealth.probes.system import runtimes


def printed(text: str, code: int = 0) -> Completed:
    return Completed(("node", "--version"), code, text, "", 0.1)


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("v20.1.2\n", "20.1.2"),
        ("9.0.0", "9.0.0"),
        ("a warning\nv23.0.0-nightly2025abc\n", "23.0.0"),
    ],
)
def test_a_version_is_read_from_the_last_line(output: str, version: str) -> None:
    assert runtimes.parse_version("node", printed(output)) == version


@pytest.mark.parametrize(
    ("output", "code"),
    [("v20.1.2", 1), ("v20.1.2", -9), ("", 0), ("v1.2", 0), ("vNext", 0), ("\0" * 65536, 0)],
    ids=range(6),
)
def test_an_answer_without_a_version_fails(output: str, code: int) -> None:
    with pytest.raises(CheckFailed, match="`node --version` told no version"):
        runtimes.parse_version("node", printed(output, code))

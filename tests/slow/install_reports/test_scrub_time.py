"""Scrubbing takes linear time, whatever the text: an attacker chooses it."""

import time

import pytest

from pytest_flowhealth.install_reports.scrub import Scrubber

LIMIT = 20.0
"""Seconds of processor time; quadratic time would be minutes, linear time is half a second."""

HOSTILE = [
    *("a", "aB", "a1", "a.", "a-", "://", "x://", "@", "a@", "a@a.", ":", "1.", "1:", "//", "/:_"),
    *("/home/", "C:\\Users\\", "%2Fhome%2F", 'token="', "token", "password:", "authorization:"),
    *(
        "-----BEGIN PRIVATE KEY-----",
        "eyJaaaaaa.",
        "host=",
        "ENOTFOUND ",
        "\u0661",
        "é",
        " \n",
        "<",
    ),
]


@pytest.mark.parametrize("part", HOSTILE)
@pytest.mark.parametrize("end", ["", "://a:b@c", "@"])
def test_no_text_takes_quadratic_time(part: str, end: str) -> None:
    text = (part * 60_000)[:60_000] + end
    began = time.process_time()
    Scrubber(users=["somebody"])(text)
    assert time.process_time() - began < LIMIT

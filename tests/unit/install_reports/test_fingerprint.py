"""Errors that differ only in numbers, paths, versions, hashes and addresses are one; others are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.install_reports.fingerprint import fingerprint, normalize_error

SAME = [
    [
        "EACCES: permission denied, mkdir '/usr/lib/node_modules/a'",
        "EACCES: permission denied, mkdir '~/.npm/b'",
        "eacces: permission denied, mkdir 'C:\\Program\\nodejs\\c'",
    ],
    [
        "Unsupported engine: wanted node >=18.2.0, has 16.20.1",
        "Unsupported engine: wanted node >=20.0.0, has 18.0.0",
    ],
    ["redis@4.6.7 not found", "redis@5.0.0-next.1 not found"],
    ["connect ECONNREFUSED 10.0.0.1:443", "connect ECONNREFUSED <address>:8443"],
    ["checksum deadbeef12 wrong", "checksum 0123456789abcdef wrong"],
    ["GET https://a.example/x 404", "GET http://<host>:4873/y/z 500"],
    ["took 61 ms", "took 1234 ms", "took 1.5 ms"],
]


@pytest.mark.parametrize("errors", SAME)
def test_errors_that_differ_in_numbers_paths_and_versions_are_one_kind(errors: list[str]) -> None:
    assert len({fingerprint(one, "install", "shop") for one in errors}) == 1, [
        normalize_error(one) for one in errors
    ]


def test_other_errors_steps_and_packages_are_other_kinds() -> None:
    errors = [one[0] for one in SAME]
    assert len({fingerprint(one, "install", "shop") for one in errors}) == len(SAME)
    assert len({fingerprint("x", step, name) for step in ("a", "b") for name in ("c", "d")}) == 4


@given(st.text())
def test_a_fingerprint_has_sixteen_hexadecimal_digits(error: str) -> None:
    found = fingerprint(error, "install", "shop")
    assert len(found) == 16
    assert int(found, 16) >= 0
    assert found == fingerprint(error, "install", "shop")

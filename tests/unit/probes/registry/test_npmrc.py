"""Credentials from npm's files: the right one for an address, shown to nobody."""

import base64
from pathlib import Path

import pytest

from pytest_flowhealth.probes.registry.npmrc import credential, settings_of

ADDRESS = "https://registry.example.org/team/npm/"
PASSWORD = base64.b64encode(b"geheim").decode()
BASIC = base64.b64encode(b"somebody:geheim").decode()


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("//registry.example.org/team/npm/:_authToken=abc", "Bearer abc"),
        ("//registry.example.org/:_authToken=abc", "Bearer abc"),
        ("  //registry.example.org/:_authToken = abc ; a comment", "Bearer abc"),
        ('//registry.example.org/:_authToken="a;b#c"', "Bearer a;b#c"),
        ("//registry.example.org/:_authToken=${TOKEN}", "Bearer told"),
        ("//registry.example.org/:_authToken=${ABSENT}", "Bearer ${ABSENT}"),
        ("//registry.example.org/:_authToken=${ABSENT?}", ""),
        (f"//registry.example.org/:_auth={BASIC}", f"Basic {BASIC}"),
        (
            f"//registry.example.org/:username=somebody\n//registry.example.org/:_password={PASSWORD}",
            f"Basic {BASIC}",
        ),
        ("//registry.example.org/:_password=%%%\n//registry.example.org/:username=a", ""),
        ("//registry.example.org/other/:_authToken=abc", ""),
        ("//registry.example.org.evil.example/:_authToken=abc", ""),
        ("//registry.example.org:8080/:_authToken=abc", ""),
        ("_authToken=abc", ""),
    ],
)
def test_the_credential_of_an_address(tmp_path: Path, line: str, header: str) -> None:
    npmrc = tmp_path / ".npmrc"
    npmrc.write_text(f"fund=false\n{line}\n")

    found = credential(ADDRESS, settings_of([npmrc], {"TOKEN": "told"}))

    assert found.header == header
    assert bool(found) is bool(header)


def test_the_nearest_file_and_the_environment_win(tmp_path: Path) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    near.write_text("//registry.example.org/:_authToken=near\n")
    far.write_text("//registry.example.org/:_authToken=far\n")
    environ = {"npm_config_//registry.example.org/:_authToken": "nearest"}

    assert credential(ADDRESS, settings_of([near, far], {})).header == "Bearer near"
    assert credential(ADDRESS, settings_of([near, far], environ)).header == "Bearer nearest"


def test_the_longest_path_wins(tmp_path: Path) -> None:
    npmrc = tmp_path / ".npmrc"
    npmrc.write_text(
        "//registry.example.org/:_authToken=all\n//registry.example.org/team/:_authToken=team\n"
    )

    found = credential(ADDRESS, settings_of([npmrc], {}))

    assert found.header == "Bearer team"
    assert found.environment == {"npm_config_//registry.example.org/team/:_authToken": "team"}


def test_a_user_in_the_address_is_a_credential_that_does_not_show_itself() -> None:
    found = credential("https://somebody:geheim@registry.example.org/npm/", {})

    assert found.header == f"Basic {BASIC}"
    assert found.environment == {"npm_config_//registry.example.org/npm/:_auth": BASIC}
    assert BASIC not in f"{found} {found!r}"


@pytest.mark.parametrize("token", ["a\nb", "\u20ac"])
def test_a_token_that_is_no_header_is_no_credential(token: str) -> None:
    environ = {"npm_config_//registry.example.org/:_authToken": token}

    assert not credential(ADDRESS, settings_of([], environ))


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\0", b"=\n=x\n//\n//=\n//:=\n"])
def test_unreadable_files_give_no_credential(tmp_path: Path, content: bytes) -> None:
    npmrc = tmp_path / ".npmrc"
    npmrc.write_bytes(content)

    assert not credential(ADDRESS, settings_of([npmrc, tmp_path, tmp_path / "absent"], {}))

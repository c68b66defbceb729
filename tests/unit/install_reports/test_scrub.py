"""Secrets, names and addresses are found in a text by their form, whatever stands around them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flowhealth.install_reports.scrub import Scrubber
from tests.kit.planted import Planted


@given(st.integers(0, 2**32), st.integers(0, 19))
@settings(max_examples=40)
def test_nothing_planted_remains(seed: int, turn: int) -> None:
    planted = Planted(seed)
    lines = planted.log.splitlines()
    found = Scrubber()("\n".join((*lines[turn:], *lines[:turn])))
    assert [one for one in planted.texts if one.lower() in found.lower()] == []
    assert "npm ERR! code ELIFECYCLE at install" in found


@given(st.integers(0, 2**32), st.sampled_from([" ", "'", '"', ",", "(", "\t", "é", "\u202e"]))
@settings(max_examples=40)
def test_a_secret_is_found_between_any_characters(seed: int, around: str) -> None:
    for secret in (Planted(seed).texts[place] for place in (6, 7, 8, 10, 12)):
        assert secret not in Scrubber()(f"before{around}{secret}{around}after")


@given(st.integers(0, 2**32))
@settings(max_examples=40)
def test_own_user_host_and_home_are_replaced_unless_they_are_common_words(seed: int) -> None:
    planted = Planted(seed)
    scrub = Scrubber(
        users=[planted.user], hosts=[planted.host], homes=[f"/srv/people/{planted.user}"]
    )
    text = f"{planted.user}@{planted.host.upper()}: no rights in /srv/people/{planted.user}/app"
    assert scrub(text) == "<user>@<host>: no rights in ~/app"
    common = Scrubber(users=["root", "node"], hosts=["localhost"])
    assert common("node at localhost is root") == "node at localhost is root"


@given(st.text() | st.integers(0, 2**32).map(lambda seed: Planted(seed).log))
@settings(max_examples=40)
def test_scrubbing_twice_changes_nothing_more(text: str) -> None:
    scrub = Scrubber(users=["somebody"], hosts=["somewhere"])
    once = scrub(text)
    assert scrub(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "npm ERR! code EBADENGINE lodash@4.17.21 needs node >=18.0.0",
        "Cannot find module 'socket.io' in ./node_modules/next.config.js",
        "/usr/lib/node_modules/@babel/plugin-transform-es2015-arrow-functions/lib/index.js",
        "node-pre-gyp ERR! node_sqlite3-v5.0.2-napi-v3-linux-x64.tar.gz",
        "connect ECONNREFUSED 127.0.0.1:6379, at 12:30:45",
        "gyp ERR! find Python - Python 3.11.2, node-gyp -v v10.0.1",
        "std::string is not ::error:: or react@18.0.0-rc.1",
    ],
)
def test_useful_text_is_kept(text: str) -> None:
    assert Scrubber()(text) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2001:db8:dead::1: refused", "<address>: refused"),
        ("addr:2001:db8::1", "addr:<address>"),
        ("IP Address:2001:db8::7, x", "IP Address:<address>, x"),
        ("[2001:db8::2]:443 fe80::1%eth0", "[<address>]:443 <address>"),
        ("std::vector at 12:34:56 ::1", "std::vector at 12:34:56 ::1"),
        ("npm login --password hunter2 --token x -y", "npm login --password *** --token *** -y"),
        ("DB_PASS=x tests pass: 5", "DB_PASS=*** tests pass: 5"),
        ("Basic dXNlcjpwYXNz, basic usage", "Basic ***, basic usage"),
        ("altnames: DNS:nexus.acme.io, DNS:*.acme.io", "altnames: DNS:<host>, DNS:<host>"),
        ("at nexus.acme.io, of socket.io", "at <host>, of socket.io"),
        ("index.d.ts config.h.in run.test.sh", "index.d.ts config.h.in run.test.sh"),
        ("open \\\\FILESRV01\\share\\joe failed", "open \\\\<host> failed"),
        ("ssh joe@gitsrv01 ls, npm i express@latest", "ssh <user>@<host> ls, npm i express@latest"),
    ],
)
def test_each_form_is_replaced(text: str, found: str) -> None:
    assert Scrubber()(text) == found

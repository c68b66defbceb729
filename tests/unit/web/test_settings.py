"""Where the page may be served, and what the environment and `[web]` set."""

import re
from pathlib import Path

import pytest

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.config.web import Web
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.web.settings import (
    Address,
    Secrets,
    make_access,
    make_server_settings,
    read_address,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", Address("127.0.0.1", 3001)),
        ("3002", Address("127.0.0.1", 3002)),
        ("0.0.0.0:80", Address("0.0.0.0", 80)),
        ("[::1]:3001", Address("::1", 3001)),
        ("localhost:9", Address("localhost", 9)),
    ],
)
def test_an_address_is_a_port_or_a_host_and_a_port(text: str, found: Address) -> None:
    assert read_address(text) == found


@pytest.mark.parametrize(
    "text", ["x", "70000", "1.2.3.4", "a:b", ":", "::1:3001", "http://x:80", "a b:1"]
)
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        read_address(text)


HASH = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$aGFzaA"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "health.example.org"])
def test_it_is_not_opened_to_others_without_a_password_and_tls(host: str, tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).touch()
    tls: dict[str, object] = {"certificate": "cert.pem", "key": "key.pem"}
    users: dict[str, object] = {"users": {"admin": HASH}}
    cases: list[tuple[dict[str, object], str | None, str | None]] = [
        ({}, None, "a password (FLOWHEALTH_WEB_PASSWORD) and TLS"),
        (tls, None, "needs a password"),
        (users, None, "needs TLS"),
        ({}, "given", "needs TLS"),
        ({**tls, **users}, None, None),
        (tls, "given", None),
        ({"insecure": True}, None, None),
    ]
    for settings, password, said in cases:
        target = Target(tmp_path, Configuration(web=Web(**settings)))  # type: ignore[arg-type]
        if said is None:
            make_server_settings(Address(host, 1), target, Secrets(password))
        else:
            with pytest.raises(UsageError, match=re.escape(said)):
                make_server_settings(Address(host, 1), target, Secrets(password))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_its_own_machine_needs_neither(host: str, tmp_path: Path) -> None:
    make_server_settings(Address(host, 1), Target(tmp_path, Configuration()), Secrets())


def test_the_password_of_the_environment_keeps_its_hash(tmp_path: Path) -> None:
    first = make_access(Web(), Secrets("secret")).users["admin"]
    assert make_access(Web(), Secrets("secret"), first).users["admin"] == first
    assert make_access(Web(), Secrets("other"), first).users["admin"] != first


def test_secrets_are_taken_out_of_the_environment() -> None:
    environ = {"FLOWHEALTH_WEB_PASSWORD": "a", "FLOWHEALTH_WEB_TOKEN": "b", "PATH": "c"}
    assert Secrets.from_environ(environ) == Secrets("a", "b")
    assert environ == {"PATH": "c"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'users = { admin = "plain" }',
            "web.users.admin: the value is not a valid argon2 hash; expected",
        ),
        (
            'tokens = { a = { sha256 = "x" } }',
            "web.tokens.a.sha256: the value is not a valid SHA-256; expected",
        ),
        ('tokens = { a = { sha256 = "x", scopes = ["all"] } }', "tokens"),
        ('origins = ["example.org"]', "expected an origin such as 'https://"),
        ('session = "long"', "web.session"),
    ],
)
def test_a_wrong_setting_is_a_usage_error_that_repeats_no_password(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "flowhealth.toml").write_text(f"[web]\n{text}\n")
    with pytest.raises(UsageError) as caught:
        load_target(None, {}, tmp_path)
    assert message in str(caught.value)
    assert "plain" not in str(caught.value)


def test_a_certificate_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    web = Web(certificate="a.pem", key="b.pem")
    with pytest.raises(UsageError, match="there is no file"):
        make_server_settings(
            Address("127.0.0.1", 0), Target(tmp_path, Configuration(web=web)), Secrets()
        )

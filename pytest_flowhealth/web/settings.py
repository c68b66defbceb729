"""Settings of the web server: its address, TLS, users and tokens, from options, configuration and environment."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path

import msgspec

from pytest_flowhealth.config.environment import FEEDBACK_KEY, WEB_PASSWORD, WEB_TOKEN
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.config.web import Scope, Token, Web
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.web.passwords import require_passwords

HOST, PORT = "127.0.0.1", 3001
"""Where it is served where nothing else is said."""

ADMIN = "admin"
"""Whose password FLOWHEALTH_WEB_PASSWORD is."""

_ADDRESS = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^\[\]:\s]+):)?(?P<port>\d{1,5})\Z")


class Address(msgspec.Struct, frozen=True):
    """Where it is bound; port 0 lets the system choose."""

    host: str
    port: int

    @property
    def local(self) -> bool:
        """Whether only this machine's own programs reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class Secrets(msgspec.Struct, frozen=True):
    """The secrets from the environment: a password, a token with scopes read and metrics, the reports' key."""

    password: str | None = None
    token: str | None = None
    key: str | None = None

    @classmethod
    def from_environ(cls, environ: MutableMapping[str, str]) -> Secrets:
        """Take them out of the environment: what the monitor starts need not know them."""
        names = (WEB_PASSWORD, WEB_TOKEN, FEEDBACK_KEY)
        found = [environ.pop(name, "").strip() or None for name in names]
        return cls(*found)


class Access(msgspec.Struct, frozen=True):
    """Users, tokens and public parts.

    Attributes:
        users: The argon2 hash of each password; without any, a link with a one-time token is printed.
        tokens: The scopes of each token by its SHA-256, in lower-case hexadecimal.
        session: Seconds that a log-in holds.
        origins: Other addresses that the page is reached by.
        public: What is shown without a log-in.
    """

    users: Mapping[str, str]
    tokens: Mapping[str, tuple[Scope, ...]]
    session: float
    origins: frozenset[str]
    public: frozenset[str] = frozenset()


class ServerSettings(msgspec.Struct, frozen=True):
    """Where the page is served; `tls` is the certificate's and the key's file."""

    address: Address
    tls: tuple[Path, Path] | None
    proxies: tuple[str, ...]


def read_address(text: str) -> Address:
    """Return what --web names: PORT, HOST:PORT, [IPV6]:PORT, or nothing.

    Raises:
        UsageError: It is none of these.
    """
    if not text:
        return Address(HOST, PORT)
    match = _ADDRESS.match(text)
    if match is None or int(match["port"]) > 65_535:
        raise UsageError(
            f"--web: {text!r} is no address; type PORT or HOST:PORT, as in 127.0.0.1:3001"
        )
    return Address((match["host"] or HOST).strip("[]"), int(match["port"]))


def make_server_settings(address: Address, target: Target, secrets: Secrets) -> ServerSettings:
    """Return where the page is served.

    Raises:
        UsageError: It would be open to others without a password or without TLS, or a file is not there.
    """
    web = target.config.web
    tls = None
    if web.certificate is not None and web.key is not None:
        tls = (_file(target.root, web.certificate), _file(target.root, web.key))
    if not address.local and not web.insecure:
        missing = [] if web.users or secrets.password else [f"a password ({WEB_PASSWORD})"]
        missing += [] if tls else ["TLS (web.certificate and web.key)"]
        if missing:
            raise UsageError(
                f"--web: {address.host} can be reached from elsewhere, and that needs "
                f"{' and '.join(missing)}; or bind to 127.0.0.1, or set web.insecure = true"
            )
    return ServerSettings(address, tls, web.proxies)


def make_access(web: Web, secrets: Secrets, known: str | None = None) -> Access:
    """Return who may see what; `known` is a hash that may be that of the environment's password.

    Raises:
        UsageError: A password is set, and argon2-cffi, which it needs, is not installed.
    """
    users = dict(web.users)
    if secrets.password is not None:
        users[ADMIN] = require_passwords().hash(secrets.password, known)
    elif users:
        require_passwords()
    tokens = {token.sha256.lower(): token.scopes for token in web.tokens.values()}
    if secrets.token is not None:
        own = Token(hashlib.sha256(secrets.token.encode()).hexdigest(), ("read", "metrics"))
        tokens[own.sha256] = own.scopes
    return Access(users, tokens, web.session, frozenset(web.origins), frozenset(web.public))


def _file(root: Path, name: str) -> Path:
    path = root / name
    if not path.is_file():
        raise UsageError(f"web: there is no file {path}")
    return path

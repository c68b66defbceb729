"""Addresses of Redis servers, their parsing and how they are shown.

The form is that of redis-py and of the Node clients:
``redis://[user][:password]@host[:port][/database]``, ``rediss://`` for TLS, and
``unix://[user][:password]@/path/to.sock[?db=database]``. Several servers that
know of each other are addressed as

- ``redis+sentinel://[user][:password]@host[:port][,host[:port]...]/service[/database]``:
  the primary that these Sentinels name (``?sentinel_username=``, ``?sentinel_password=``
  are for the Sentinels themselves);
- ``redis+cluster://[user][:password]@host[:port][,host[:port]...]``: all primaries of the
  cluster that these nodes belong to;

with ``rediss+`` for TLS. Passwords are only passed to the connection;
messages show ``***`` in their place.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import msgspec

from pytest_flowhealth.errors import CheckFailed

DEFAULT_URL = "redis://127.0.0.1:6379/0"
"""Default address of the Redis clients for Node."""

_TLS_OPTIONS = frozenset(
    {
        "ssl_ca_certs",
        "ssl_ca_path",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_keyfile",
    }
)


KINDS = ("server", "sentinel", "cluster")
"""What an address may be of."""

SENTINEL_PORT = 26_379
"""Where a Sentinel listens when nothing else is said."""

_SCHEMES = frozenset(
    {"redis", "rediss", "unix"} | {f"redis{s}+{kind}" for s in ("", "s") for kind in KINDS[1:]}
)

_SECRET_OPTION = re.compile(r"(?i)((?:pass|passwd|password|pwd|token|secret)=)[^&#]*")


# After a colon comes a port, and in an address of several perhaps further hosts.
_HOST = r"(?s)\A(\[[^]]*\]|[^:/?#\[]*):"
_NO_PORT = re.compile(_HOST + r"(?!\d+([/?#]|\Z)).*")
_NO_PORTS = re.compile(_HOST + r"(?!\d+(,(\[[^]]*\]|[\w.-]+)(:\d+)?)*([/?#]|\Z)).*")


class Secret:
    """A text that shows itself as ``***``."""

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, for the connection only."""
        return self._text

    def __repr__(self) -> str:
        return "***"


class RedisAddress(msgspec.Struct, frozen=True):
    """Address of a Redis, and the setting that it comes from.

    Attributes:
        shown: The URL with ``***`` for the password.
        origin: The setting that it comes from, for messages: "redis.url from environment".
        host: The host's name or address; "" with a Unix socket.
        port: The TCP port.
        path: The Unix socket; "" with TCP.
        database: The database's number.
        username: The ACL user, `None` for the default one.
        password: Its password, `None` without.
        tls: Whether the connection is encrypted.
        options: TLS options of the URL, named as redis-py names them.
        kind: One of `KINDS`; "server" for a single one.
        seeds: Hosts and ports of the Sentinels, or of the cluster's nodes, that are asked.
        service: The name that the Sentinels know the primary by.
        sentinel_username: The Sentinels' own ACL user, `None` for the default one.
        sentinel_password: Its password, `None` without.
        contradictions: Evidence that the application uses another address, a sentence each.
        assumed: Whether nothing names an address, so that it is the usual one.
        unreachable: Why its host may be unknown on this machine ("a service of compose.yml"), "" if
            there is no such reason.
        announced: Whether the nodes of a cluster or a Sentinel named it.
        forgiving: Whether the application's client goes on if the server needs no password.
    """

    shown: str
    origin: str
    host: str
    port: int
    path: str
    database: int
    username: str | None
    password: Secret | None
    tls: bool
    options: Mapping[str, str]
    kind: str = "server"
    seeds: tuple[tuple[str, int], ...] = ()
    service: str = ""
    sentinel_username: str | None = None
    sentinel_password: Secret | None = None
    contradictions: tuple[str, ...] = ()
    assumed: bool = False
    unreachable: str = ""
    announced: bool = False
    forgiving: bool = False

    @property
    def place(self) -> str:
        """Host and port, or the socket's path, for messages; of several, all."""
        places = self.seeds or ((self.host, self.port),)
        return self.path or ", ".join(_place(host, port) for host, port in places)

    @property
    def cli(self) -> str:
        """The command line that asks this server, without its password; of several, the first."""
        if self.path:
            options = f"-s {shlex.quote(self.path)}"
        else:
            host, port = self.seeds[0] if self.seeds else (self.host, self.port)
            options = f"-h {shlex.quote(host)} -p {port}"
        tls = " --tls" if self.tls else ""
        user = f" --user {shlex.quote(self.username)}" if self.username else ""
        login = f"{user} --askpass" if self.password else ""
        return f"redis-cli {options}{tls}{login}"

    def at(self, host: str, port: int, origin: str) -> RedisAddress:
        """Return the address of one server among these, with the same login and TLS options."""
        return msgspec.structs.replace(
            self,
            host=host,
            port=port,
            origin=origin,
            kind="server",
            seeds=(),
            path="",
            announced=True,
        )

    @property
    def local(self) -> bool:
        """Whether it is on this machine."""
        return bool(self.path) or self.host in {"localhost", "::1"} or self.host.startswith("127.")

    def scrub(self, text: str) -> str:
        """Return a server's `text` without the password, which an echo would hold."""
        for password in (self.password, self.sentinel_password):
            secret = password.reveal() if password else ""
            for form in {secret, quote(secret), quote(secret, safe="")} - {""}:
                text = text.replace(form, "***")
        return text


def parse_address(url: str, origin: str = "the address") -> RedisAddress:
    """Return the parts of a Redis URL.

    Args:
        url: The URL.
        origin: The setting that gave it, for messages.

    Raises:
        CheckFailed: It can't be read as such; the message holds no password.
    """
    url = url.strip()
    try:
        return _parse(url, origin)
    except ValueError as error:
        # The library's words may quote a piece of the password.
        problem = str(error) if isinstance(error, _BadUrl) else "it can't be read"
    raise CheckFailed(
        f"{origin} is no address of a Redis: {problem}: {mask(url)}",
        remedy=f"write it as {DEFAULT_URL}, a password's special characters percent-encoded: "
        "redis://:p%40ss@host:6379/0",
    )


def mask(url: str) -> str:
    """Return `url`, well-formed or not, with ``***`` in place of a password."""
    before, slashes, after = url.partition("://")
    scheme, rest = (before + slashes, after) if slashes else ("", url)
    user, at, server = rest.rpartition("@")
    if at:
        name, colon, _ = user.partition(":")
        rest = f"{name}:***@{server}" if colon else f"***@{server}"
    else:
        # Without the @, what stands in the port's place may be a password.
        rest = re.sub(_NO_PORTS if "+" in scheme else _NO_PORT, r"\1:***", rest)
    return scheme + re.sub(_SECRET_OPTION, r"\1***", rest)


class _BadUrl(ValueError):
    """A reason that is safe to show."""


def _parse(url: str, origin: str) -> RedisAddress:
    from redis.connection import parse_url

    parts = urlsplit(url)
    kind = parts.scheme.partition("+")[2] or "server"
    if parts.scheme not in _SCHEMES:
        raise _BadUrl("it does not begin with redis://, rediss:// or unix://")
    unix = parts.scheme == "unix"
    if not unix and (parts.fragment or ("@" in url and "@" not in parts.netloc)):
        raise _BadUrl("a character that is not percent-encoded ends the password")
    service, database = _inside(kind, "" if unix else parts.path.strip("/"))
    seeds = _seeds(kind, parts.netloc)
    query = dict(parse_qsl(parts.query))
    simple = (
        url if kind == "server" else f"redis://{parts.netloc.rpartition('@')[0]}@h/0?{parts.query}"
    )
    read: dict[str, Any] = parse_url(simple)  # type: ignore[no-untyped-call]
    if unix and not read.get("path"):
        raise _BadUrl("the path of the socket is missing")
    password = read.get("password")
    return RedisAddress(
        shown=mask(url),
        origin=origin,
        host="" if unix or seeds else read.get("host", "localhost"),
        port=6379 if unix or seeds else read.get("port", 6379),
        path=read.get("path", ""),
        database=_database(query.get("db") or database),
        username=read.get("username") or None,
        password=Secret(password) if password else None,
        tls=parts.scheme.startswith("rediss"),
        options={name: value for name, value in query.items() if name in _TLS_OPTIONS},
        kind=kind,
        seeds=seeds,
        service=service,
        sentinel_username=query.get("sentinel_username"),
        sentinel_password=_secret(query.get("sentinel_password")),
    )


def _secret(text: str | None) -> Secret | None:
    return Secret(text) if text else None


def _inside(kind: str, path: str) -> tuple[str, str]:
    """Return the service and the database that a URL's path names."""
    if kind != "sentinel":
        if kind == "cluster" and path not in {"", "0"}:
            raise _BadUrl("a cluster has database 0 only")
        return "", path
    service, _, database = path.partition("/")
    if not service:
        raise _BadUrl("the service that the Sentinels know is missing: .../mymaster/0")
    return unquote(service), database


def _seeds(kind: str, netloc: str) -> tuple[tuple[str, int], ...]:
    """Return the hosts and ports in a URL that may name several."""
    if kind == "server":
        return ()
    default = SENTINEL_PORT if kind == "sentinel" else 6379
    parts = [urlsplit(f"//{seed.strip()}") for seed in netloc.rpartition("@")[2].split(",")]
    return tuple((unquote(seed.hostname or "localhost"), seed.port or default) for seed in parts)


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _database(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _BadUrl("the database after the host is no number")
    return int(text or "0")

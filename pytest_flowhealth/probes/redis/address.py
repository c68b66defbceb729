"""Where a Redis is: addresses, and which one a target uses.

The form is that of redis-py and of the Node clients:
``redis://[user][:password]@host[:port][/database]``, ``rediss://`` for TLS, and
``unix://[user][:password]@/path/to.sock[?db=database]``. Several servers that
know of each other are addressed as

- ``redis+sentinel://[user][:password]@host[:port][,host[:port]...]/service[/database]``:
  the primary that these Sentinels name (``?sentinel_username=``, ``?sentinel_password=``
  are for the Sentinels themselves);
- ``redis+cluster://[user][:password]@host[:port][,host[:port]...]``: all primaries of the
  cluster that these nodes belong to;

with ``rediss+`` for TLS. The passwords leave this module only towards the
connection: messages show ``***`` in their place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import msgspec

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable

if TYPE_CHECKING:
    from pytest_flowhealth.config.manifest import Manifest
    from pytest_flowhealth.config.target import Target

DEFAULT_URL = "redis://127.0.0.1:6379/0"
"""Where Redis clients for Node look when nothing else is said."""

CLIENTS = frozenset(
    {
        "@adonisjs/redis",
        "@fastify/redis",
        "@keyv/redis",
        "@keyv/valkey",
        "@nestjs-modules/ioredis",
        "@node-redis/client",
        "@redis/client",
        "@socket.io/redis-adapter",
        "@socket.io/redis-emitter",
        "@valkey/valkey-glide",
        "bee-queue",
        "bull",
        "bullmq",
        "cache-manager-ioredis",
        "cache-manager-ioredis-yet",
        "cache-manager-redis-store",
        "cache-manager-redis-yet",
        "connect-redis",
        "handy-redis",
        "ioredis",
        "iovalkey",
        "koa-redis",
        "kue",
        "node-resque",
        "rate-limit-redis",
        "redis",
        "redis-om",
        "redlock",
        "resque",
        "rsmq",
        "socket.io-redis",
        "tedis",
    }
)
"""npm packages that need a Redis server."""

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
    """Where a Redis is, and who said so.

    Attributes:
        shown: The URL with ``***`` for the password.
        origin: The setting that gave it, for messages: "redis.url from environment".
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

    @property
    def place(self) -> str:
        """Host and port, or the socket's path, for messages; of several, all."""
        places = self.seeds or ((self.host, self.port),)
        return self.path or ", ".join(_place(host, port) for host, port in places)

    def at(self, host: str, port: int, origin: str) -> RedisAddress:
        """Return the address of one server among these, reached as this one is."""
        return msgspec.structs.replace(
            self, host=host, port=port, origin=origin, kind="server", seeds=(), path=""
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


def find_address(target: Target) -> RedisAddress:
    """Return the Redis that a target uses: the configured one, else the usual local one.

    Raises:
        NotApplicable: None is configured, and no package of the target needs one.
        MeasurementUnavailable: None is configured, and package.json can't be read.
        CheckFailed: The configured URL can't be read.
    """
    url = target.config.redis.url
    if url is not None:
        origin = f"redis.url from {target.sources.get('redis.url', 'the configuration')}"
        return _with_authority(parse_address(url, origin), target)
    try:
        client = _client(target)
    except CheckFailed as error:
        problem = error.message
    else:
        return parse_address(DEFAULT_URL, f"the usual address, since {client}")
    raise MeasurementUnavailable(f"whether this target uses Redis can't be told: {problem}")


def _with_authority(address: RedisAddress, target: Target) -> RedisAddress:
    """Return the address with redis.ca, where its URL names no authority of its own."""
    ca = target.config.redis.ca
    if ca is None or not address.tls:
        return address
    options = {"ssl_ca_certs": str(target.root / ca), **address.options}
    return msgspec.structs.replace(address, options=options)


def _client(target: Target) -> str:
    """Return which dependency needs a Redis: "`redis` is in the dependencies"."""
    found = _needing(target.manifest)
    if found:
        return f"`{found}` is in the dependencies"
    critical = target.config.package.critical or ()
    named = next((name for name in critical if name in CLIENTS), None)
    if named:
        # What the configuration or the preset names is needed, whatever package.json lost.
        return f"`{named}` is a critical dependency"
    for package in target.packages:
        found = _needing(package.manifest)
        if found:
            return f"`{found}` is in the dependencies of {package.label}"
    raise NotApplicable(
        "no Redis client is in package.json's dependencies, and no redis.url is configured"
    )


def _needing(manifest: Manifest) -> str | None:
    declared = {
        **manifest.dependencies,
        **manifest.optional_dependencies,
        **manifest.dev_dependencies,
    }
    return next((name for name in declared if name in CLIENTS), None)


class _BadUrl(ValueError):
    """A reason that is safe to show."""


def _parse(url: str, origin: str) -> RedisAddress:
    parts = urlsplit(url.strip())
    if parts.scheme not in _SCHEMES:
        raise _BadUrl("it does not begin with redis://, rediss:// or unix://")
    unix = parts.scheme == "unix"
    if not unix and (parts.fragment or ("@" in url and "@" not in parts.netloc)):
        raise _BadUrl("a character that is not percent-encoded ends the password")
    query = dict(parse_qsl(parts.query))
    password = query.get("password") or unquote(parts.password or "")
    path = unquote(parts.path) if unix else ""
    if unix and not path:
        raise _BadUrl("the path of the socket is missing")
    kind = parts.scheme.partition("+")[2] or "server"
    service, database = _inside(kind, "" if unix else parts.path.strip("/"))
    seeds = _seeds(kind, parts.netloc)
    return RedisAddress(
        shown=mask(url.strip()),
        origin=origin,
        host="" if unix or seeds else unquote(parts.hostname or "localhost"),
        port=6379 if unix or seeds else parts.port or 6379,
        path=path,
        database=_database(query.get("db") or database),
        username=query.get("username") or unquote(parts.username or "") or None,
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
    parts = [urlsplit(f"//{one.strip()}") for one in netloc.rpartition("@")[2].split(",")]
    return tuple((unquote(one.hostname or "localhost"), one.port or default) for one in parts)


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _database(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _BadUrl("the database after the host is no number")
    return int(text or "0")

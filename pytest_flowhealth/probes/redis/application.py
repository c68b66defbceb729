"""Which Redis an application uses: from its configuration, its environment, its `.env` file.

In this order: ``redis.url`` of flowhealth.toml, a URL variable (``REDIS_URL``), the single
variables (``REDIS_HOST``, ``REDIS_PORT``, ...), the usual local address. Variables of the
environment take precedence over the same ones in an `.env` file, as with ``node --env-file``.
Another address in a source further down is kept as a contradiction of the one that is used.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import msgspec

from pytest_flowhealth.config.files import is_absent, read_text
from pytest_flowhealth.errors import (
    CheckFailed,
    FlowHealthError,
    MeasurementUnavailable,
    NotApplicable,
)
from pytest_flowhealth.probes.env_files import read_env_file
from pytest_flowhealth.probes.redis.address import (
    DEFAULT_URL,
    RedisAddress,
    Secret,
    mask,
    parse_address,
)
from pytest_flowhealth.probes.redis.client_address import PACKAGES, parse_with_clients
from pytest_flowhealth.probes.redis.compose import describe_service, find_evidence

if TYPE_CHECKING:
    from pytest_flowhealth.config.manifest import Manifest
    from pytest_flowhealth.config.target import Target

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

QUEUE_LIBRARIES = frozenset({"bullmq", "bull", "bee-queue", "@nestjs/bullmq", "@nestjs/bull"})
"""npm packages that keep jobs in Redis."""

IOREDIS = frozenset({"ioredis", "iovalkey", "bullmq", "bull", "@nestjs/bullmq", "@nestjs/bull"})
"""npm packages that connect by ioredis, which ignores a password that the server does not need."""

URLS = ("REDIS_URL", "REDIS_URI", "VALKEY_URL")
"""Variables with a whole address."""

OTHER_URLS = ("REDIS_TLS_URL", "REDISCLOUD_URL", "REDIS_CONNECTION_STRING")
"""Variables with a whole address that hosting services set beside others."""

PARTS = {
    "host": ("REDIS_HOST", "REDIS_HOSTNAME", "REDISHOST", "VALKEY_HOST"),
    "port": ("REDIS_PORT", "REDISPORT", "VALKEY_PORT"),
    "password": ("REDIS_PASSWORD", "REDIS_PASS", "REDISPASSWORD", "VALKEY_PASSWORD"),
    "username": ("REDIS_USERNAME", "REDIS_USER", "REDISUSER"),
    "database": ("REDIS_DB", "REDIS_DATABASE", "REDIS_DB_INDEX"),
    "tls": ("REDIS_TLS", "REDIS_SSL", "REDIS_USE_TLS", "REDIS_TLS_ENABLED"),
}
"""Variables with a part of an address."""

_PLAIN = re.compile(r"rediss?://([^/?#@\s]*@)?([\w.-]+|\[[\da-fA-F:]+\])(:\d+)?(/\d*)?\Z")
"""Addresses that every client and redis-py read alike."""

_OWN = re.compile(r"(?:rediss?\+(?:sentinel|cluster)|unix)://|rediss://.*[?&]ssl_\w+=")
"""Addresses in a form of redis-py or of this package, which no client for Node has."""

_SERVICE_LINK = re.compile(r"tcp://([\w.-]+):(\d+)")
_LINKED = (
    "{name} is {value}, as Kubernetes and Docker set it for a service named redis: an application that "
    "takes it for a port number can't connect (enableServiceLinks: false)"
)

_ENV_FILE = re.compile(r"--env-file(?:-if-exists)?(?:=|\s+)(\S+)|\bdotenv\b.*?\s-e\s+(\S+)")
_NO = frozenset({"", "0", "false", "no", "off", "disabled"})


class Variable(NamedTuple):
    """A variable's value, and where it is set ("environment", ".env")."""

    value: str
    place: str


def find_address(target: Target, environ: Mapping[str, str] = os.environ) -> RedisAddress:
    """Return the Redis that a target uses, with its origin and what contradicts it.

    Args:
        target: The target.
        environ: The environment's variables.

    Raises:
        NotApplicable: No address is set, and no package of the target needs a Redis.
        MeasurementUnavailable: No address is set, and package.json or the `.env` file can't be read.
        CheckFailed: The address is not understood.
    """
    variables, problem = read_variables(target, environ)
    candidates = _candidates(target, variables)
    chosen = next(candidates, None)
    if chosen is None:
        if problem:
            raise MeasurementUnavailable(f"which Redis this target uses is not known: {problem}")
        return _assume(target)
    against = [*chosen.contradictions]
    against += [text for other in candidates if (text := _compare(chosen, other))]
    if problem:
        against.append(f"{problem}: whether it names another Redis is not known")
    address = _with_authority(chosen, target, environ)
    return msgspec.structs.replace(
        address,
        contradictions=tuple(against),
        forgiving=_uses(target, IOREDIS),
        unreachable=describe_service(target.root, address.host),
    )


def read_variables(target: Target, environ: Mapping[str, str]) -> tuple[dict[str, Variable], str]:
    """Return the variables about Redis, and why an `.env` file can't be read ("" if it can)."""
    names = {*URLS, *OTHER_URLS, *(name for group in PARTS.values() for name in group)}
    found: dict[str, Variable] = {}
    problem = ""
    for path in _env_files(target):
        try:
            # A Node process is started only for a file that says something about Redis.
            if not is_absent(path) and any(name in read_text(path) for name in names):
                label = os.path.relpath(path, target.root)
                found |= {
                    name: Variable(value.strip(), label)
                    for name, value in read_env_file(path).items()
                    if name in names and value.strip()
                }
        except FlowHealthError as error:
            problem = error.message
    found |= {
        name: Variable(environ[name].strip(), "environment")
        for name in names
        if environ.get(name, "").strip()
    }
    return found, problem


def _env_files(target: Target) -> list[Path]:
    """Return the files that the project's scripts name, otherwise `.env`."""
    try:
        scripts = target.manifest.scripts
    except CheckFailed:
        scripts = {}
    for script in sorted(scripts, key=lambda name: (name != "start", name != "serve")):
        named = [one or other for one, other in _ENV_FILE.findall(scripts[script])]
        if named:
            return [target.root / shlex.split(name)[0] for name in named]
    return [target.root / ".env"]


def _candidates(target: Target, variables: Mapping[str, Variable]) -> Iterator[RedisAddress]:
    """Yield the addresses that are set, the one to use first.

    One after the first that is not understood is left out: it can't be compared.
    """
    sources: list[Any] = []
    url = target.config.redis.url
    if url is not None:
        origin = f"redis.url from {target.sources.get('redis.url', 'the configuration')}"
        sources.append((url, origin))
    urls = [name for name in URLS if name in variables]
    urls = urls or [name for name in OTHER_URLS if name in variables][:1]
    sources += [(variables[name].value, f"{variables[name].place} {name}") for name in urls]
    yielded = False
    for value, origin in sources:
        try:
            yield parse_application_url(value, origin, target)
        except CheckFailed:
            if not yielded:
                raise
        yielded = True
    try:
        address = _from_parts(variables)
    except CheckFailed:
        if not yielded:
            raise
        return
    if address is not None:
        yield address


def parse_application_url(url: str, origin: str, target: Target) -> RedisAddress:
    """Return the address in a variable of the application, as its client understands it.

    Raises:
        CheckFailed: The client refuses it; without a client: it is not understood.
    """
    if _PLAIN.match(url) or _OWN.match(url):
        return parse_address(url, origin)
    answers = parse_with_clients(url, target.root, _clients(target))
    accepted = next((one for one in answers if not one.problem), None)
    if accepted is None:
        if answers and not url.startswith("unix:"):
            raise CheckFailed(
                f"{origin} is no address for {answers[0].client}: {answers[0].problem}: {mask(url)}",
                remedy=f"write it as {DEFAULT_URL}",
            )
        return parse_address(_as_url(url), origin)
    path = "/" + accepted.path.lstrip("/") if accepted.path else ""
    secret = accepted.password
    options = parse_qs_options(url)
    return RedisAddress(
        shown=mask(url),
        origin=f"{origin}, as {accepted.client} reads it",
        host="" if path else accepted.host or "localhost",
        port=accepted.port or 6379,
        path=path,
        database=accepted.database,
        username=accepted.username,
        password=Secret(secret) if secret else None,
        tls=accepted.tls,
        options=options,
    )


def parse_qs_options(url: str) -> dict[str, str]:
    """Return the TLS options at the end of a URL, which are ours and not the client's."""
    query = url.partition("?")[2]
    return dict(parse_address(f"rediss://h?{query}").options) if query else {}


def _clients(target: Target) -> list[str]:
    """Return the clients to ask: those that package.json names first."""
    try:
        declared = target.manifest.dependencies
    except CheckFailed:
        declared = {}
    return sorted(PACKAGES, key=lambda name: name not in declared)


def _as_url(text: str) -> str:
    """Return a URL for a short form: host, host:port, a port, a socket's path."""
    text = re.sub(r"\Avalkey(s?)://", r"redis\1://", text)
    if text.startswith("/") and not text.startswith("//"):
        return f"unix://{text}"
    if text.isdigit():
        return f"redis://localhost:{text}"
    if "://" in text:
        return text
    return f"redis:{text}" if text.startswith("//") else f"redis://{text}"


def _from_parts(variables: Mapping[str, Variable]) -> RedisAddress | None:
    """Return the address that REDIS_HOST, REDIS_PORT and so on make; None without these two."""
    names = {
        part: next((name for name in group if name in variables), None)
        for part, group in PARTS.items()
    }
    used = [name for part in ("host", "port") if (name := names[part])]
    if not used:
        return None
    value = {part: variables[name].value if name else "" for part, name in names.items()}
    places = dict.fromkeys(variables[name].place for name in used)
    origin = f"{' and '.join(places)} {', '.join(used)}"
    if "://" in value["host"]:
        return parse_address(value["host"], origin)
    link = _SERVICE_LINK.fullmatch(value["port"])
    against: tuple[str, ...] = ()
    if link:
        against = (
            (_LINKED.format(name=names["port"], value=value["port"]),) if value["host"] else ()
        )
        value |= {"host": value["host"] or link[1], "port": link[2]}
    for part in ("port", "database"):
        if value[part] and not (value[part].isdigit() and int(value[part][:6]) < 65_536):
            raise CheckFailed(
                f"{names[part]} ({variables[names[part] or ''].place}) is no number: "
                f"{mask(value[part])!r}",
                remedy=f"set {names[part]} to a number",
            )
    user, secret = quote(value["username"], safe=""), quote(value["password"], safe="")
    login = f"{user}:{secret}@" if user or secret else ""
    host = f"[{value['host']}]" if value["host"].count(":") > 1 else value["host"] or "localhost"
    port = f":{value['port']}" if value["port"] else ""
    scheme = "redis" if value["tls"].lower() in _NO else "rediss"
    address = parse_address(f"{scheme}://{login}{host}{port}/{value['database'] or 0}", origin)
    return msgspec.structs.replace(address, contradictions=against)


def _compare(chosen: RedisAddress, other: RedisAddress) -> str:
    """Return what contradicts the chosen address, "" if both are the same server."""
    if _server(chosen) == _server(other):
        return ""
    return (
        f"{chosen.place} was measured ({chosen.origin}), but {other.origin} names {other.place}: "
        "the application may use that one"
    )


def _server(address: RedisAddress) -> tuple[object, ...]:
    local = address.local and not address.path and not address.seeds
    return ("local" if local else address.host, address.port, address.path, address.seeds)


def _assume(target: Target) -> RedisAddress:
    """Return the usual address, if a package of the target needs a Redis."""
    try:
        client = _client(target)
    except CheckFailed as error:
        problem = error.message
    else:
        address = parse_address(DEFAULT_URL, f"assumed, since {client} and no address is set")
        against = tuple(find_evidence(target.root, (*URLS, "REDIS_HOST", "REDIS_PORT")))
        return msgspec.structs.replace(address, assumed=True, contradictions=against)
    raise MeasurementUnavailable(f"whether this target uses Redis is not known: {problem}")


def _with_authority(
    address: RedisAddress, target: Target, environ: Mapping[str, str]
) -> RedisAddress:
    """Return the address with redis.ca, otherwise with the authorities that Node adds.

    Node's clients trust NODE_EXTRA_CA_CERTS besides their own list, and check nothing with
    NODE_TLS_REJECT_UNAUTHORIZED=0.
    """
    if not address.tls:
        return address
    options = dict(address.options)
    ca = target.config.redis.ca
    extra = environ.get("NODE_EXTRA_CA_CERTS", "")
    if ca is not None:
        options.setdefault("ssl_ca_certs", str(target.root / ca))
    elif extra and Path(extra).is_file():
        options.setdefault("ssl_ca_certs", extra)
    if environ.get("NODE_TLS_REJECT_UNAUTHORIZED") == "0":
        options.setdefault("ssl_cert_reqs", "none")
    return msgspec.structs.replace(address, options=options)


def _client(target: Target) -> str:
    """Return which dependency needs a Redis: "`redis` is in the dependencies"."""
    found = find_client(target.manifest)
    if found:
        return f"`{found}` is in the dependencies"
    critical = target.config.package.critical or ()
    named = next((name for name in critical if name in CLIENTS), None)
    if named:
        # What the configuration or the preset names is needed, whatever package.json lost.
        return f"`{named}` is a critical dependency"
    for package in target.packages:
        found = find_client(package.manifest)
        if found:
            return f"`{found}` is in the dependencies of {package.label}"
    raise NotApplicable(
        "no Redis client is in package.json's dependencies, and no redis.url is configured"
    )


def _uses(target: Target, packages: frozenset[str]) -> bool:
    try:
        return find_client(target.manifest, packages) is not None
    except CheckFailed:
        return False


def find_queue_library(target: Target) -> str | None:
    """Return the dependency of the target, or of a workspace, that keeps jobs in Redis."""
    source = target.config.fleet.source
    if source in QUEUE_LIBRARIES:
        return source
    try:
        manifests = [target.manifest, *(one.manifest for one in target.packages)]
    except CheckFailed:
        return None
    found = (find_client(manifest, QUEUE_LIBRARIES) for manifest in manifests)
    return next((name for name in found if name), None)


def find_client(manifest: Manifest, among: frozenset[str] | None = None) -> str | None:
    """Return the first dependency that needs a Redis, or is one of `among`."""
    declared = {
        **manifest.dependencies,
        **manifest.optional_dependencies,
        **manifest.dev_dependencies,
    }
    return next((name for name in declared if name in (CLIENTS if among is None else among)), None)

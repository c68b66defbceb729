"""Which Redis an application uses: from its configuration, its environment, its `.env` files.

In this order: ``redis.url`` of flowhealth.toml, a URL variable (``REDIS_URL``), the single
variables (``REDIS_HOST``, ``REDIS_PORT``, ...), other variables that name a Redis, the usual local
address. Another address in a source further down is reported as a contradiction of the one in use.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.redis.address import (
    DEFAULT_URL,
    RedisAddress,
    Secret,
    mask,
    parse_address,
)
from pytest_flowhealth.probes.redis.client_address import PACKAGES, parse_with_clients
from pytest_flowhealth.probes.redis.compose import describe_service, find_evidence
from pytest_flowhealth.probes.redis.packages import CLIENTS, IOREDIS, depends_on, find_client
from pytest_flowhealth.probes.redis.variables import (
    OTHER_URLS,
    PARTS,
    URLS,
    Variables,
    is_redis_url,
    names_a_redis,
    read_local_file,
    read_variables,
)

if TYPE_CHECKING:
    from pytest_flowhealth.config.target import Target

_PLAIN = re.compile(
    r"rediss?://((?:%[\da-fA-F]{2}|[^/?#@\s%])*@)?([\w.-]+|\[[\da-fA-F:]+\])(:\d+)?(/\d*)?\Z"
)
"""Addresses that every client and redis-py read alike."""

_OWN = re.compile(r"(?:rediss?\+(?:sentinel|cluster)|unix)://|rediss://.*[?&]ssl_\w+=")
"""Addresses in a form of redis-py or of this package, which no client for Node has."""

_PLACES = (*PARTS["host"], *PARTS["port"], *PARTS["socket"])
"""Variables that say where a Redis is."""

_SERVICE_LINK = re.compile(r"tcp://([\w.-]+):(\d+)")
_LINKED = (
    "{name} is {value}, as Kubernetes and Docker set it for a service named redis: an application that "
    "takes it for a port number can't connect (enableServiceLinks: false)"
)

_NO = frozenset({"", "0", "false", "no", "off", "disabled"})


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
    candidates = [*_candidates(target, variables)]
    if candidates:
        address = _add_password(candidates[0], variables)
        against = [text for other in candidates[1:] if (text := _compare(address, other))]
        against += _contradict_locally(target, address)
    elif problem:
        raise MeasurementUnavailable(f"which Redis this target uses is not known: {problem}")
    else:
        address, against = _assume(target, variables), []
    if problem:
        against.append(f"{problem}: whether it names another Redis is not known")
    return msgspec.structs.replace(
        _with_authority(address, target, environ),
        contradictions=(*address.contradictions, *against),
        forgiving=address.forgiving or depends_on(target, IOREDIS),
        unreachable=describe_service(target.root, address.host),
    )


def _candidates(target: Target, variables: Variables) -> Iterator[RedisAddress]:
    """Yield the addresses that are set, the one to use first.

    One after the first that is not understood is left out: it can't be compared.
    """
    yielded = False
    for read in _sources(target, variables):
        try:
            address = read()
        except CheckFailed:
            if not yielded:
                raise
        else:
            if address is not None:
                yield address
                yielded = True


def _sources(target: Target, variables: Variables) -> Iterator[Callable[[], RedisAddress | None]]:
    """Yield functions that return the address in each source, None if it has none."""
    url = target.config.redis.url
    if url is not None:
        origin = f"redis.url from {target.sources.get('redis.url', 'the configuration')}"
        yield partial(parse_application_url, url, origin, target)
    standard = {name for group in PARTS.values() for name in group} | {*URLS, *OTHER_URLS}
    urls = [name for name in URLS if name in variables]
    urls = urls or [name for name in OTHER_URLS if name in variables][:1]
    own = url is not None or bool(urls) or any(name in variables for name in _PLACES)
    # Names of the application's own count only if no usual name is set.
    others = [] if own else sorted(set(variables) - standard)
    urls += [name for name in others if is_redis_url(variables[name].value)]
    for name in urls:
        variable = variables[name]
        yield partial(parse_application_url, variable.value, f"{variable.place} {name}", target)
    prefixes = {name.removesuffix(end) for name in others for end in _PLACES if name.endswith(end)}
    for prefix in ("", *sorted(prefixes)):
        yield partial(_from_parts, variables, prefix)


def parse_application_url(url: str, origin: str, target: Target) -> RedisAddress:
    """Return the address in a variable of the application, as its client understands it.

    Raises:
        CheckFailed: The client refuses it; without a client: it is not understood.
    """
    if _PLAIN.match(url) or _OWN.match(url):
        return parse_address(url, origin)
    answers = parse_with_clients(url, target.root, _clients(target))
    accepted = next((answer for answer in answers if not answer.problem), None)
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


def _from_parts(variables: Variables, prefix: str = "") -> RedisAddress | None:
    """Return the address that REDIS_HOST, REDIS_PORT and so on make; None without a place.

    Args:
        variables: The application's.
        prefix: What stands before the usual names (``QUEUE_``).
    """
    names = _part_names(variables, prefix)
    if not {"host", "port", "socket"} & set(names):
        return None
    value = dict.fromkeys(PARTS, "") | {part: variables[name].value for part, name in names.items()}
    used = [names[part] for part in ("host", "port", "socket") if part in names]
    origin = (
        f"{' and '.join(dict.fromkeys(variables[name].place for name in used))} {', '.join(used)}"
    )
    if is_redis_url(value["host"]):
        return parse_address(value["host"], origin)
    link = _SERVICE_LINK.fullmatch(value["port"])
    against = ""
    if link:
        against = _LINKED.format(name=names["port"], value=value["port"]) if value["host"] else ""
        value |= {"host": value["host"] or link[1], "port": link[2]}
    for part in ("port", "database"):
        if value[part] and not (value[part].isdigit() and int(value[part][:6]) < 65_536):
            raise CheckFailed(
                f"{names[part]} ({variables[names[part]].place}) is no number: "
                f"{mask(value[part])!r}",
                remedy=f"set {names[part]} to a number",
            )
    address = parse_address(_join_parts(value), origin)
    return msgspec.structs.replace(address, contradictions=(against,) if against else ())


def _part_names(variables: Variables, prefix: str = "") -> dict[str, str]:
    """Return the variable that is set for each part of an address."""
    return {
        part: prefix + name
        for part, group in PARTS.items()
        if (name := next((name for name in group if prefix + name in variables), None))
    }


def _join_parts(value: Mapping[str, str]) -> str:
    user, secret = quote(value["username"], safe=""), quote(value["password"], safe="")
    login = f"{user}:{secret}@" if user or secret else ""
    if value["socket"].startswith("/"):
        return f"unix://{login}{value['socket']}?db={value['database'] or 0}"
    host = f"[{value['host']}]" if value["host"].count(":") > 1 else value["host"] or "localhost"
    port = f":{value['port']}" if value["port"] else ""
    scheme = "redis" if value["tls"].lower() in _NO else "rediss"
    return f"{scheme}://{login}{host}{port}/{value['database'] or 0}"


def _add_password(address: RedisAddress, variables: Variables) -> RedisAddress:
    """Return the address with the password that a variable holds beside a URL without one."""
    names = _part_names(variables)
    bare = address.password is None and address.kind == "server"
    if not bare or "password" not in names or address.origin.startswith("redis.url"):
        return address
    username = address.username
    if username is None and "username" in names:
        username = variables[names["username"]].value
    return msgspec.structs.replace(
        address,
        origin=f"{address.origin}, {names['password']}",
        username=username,
        password=Secret(variables[names["password"]].value),
        forgiving=True,
    )


def _contradict_locally(target: Target, address: RedisAddress) -> Iterator[str]:
    """Yield that `.env.local` names another server than `.env`, which is in use."""
    if address.origin.startswith(".env "):
        variables = read_local_file(target)
        other = next(_candidates(target, variables), None) if variables else None
        if other and (text := _compare(address, other)):
            yield text


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


def _assume(target: Target, variables: Variables) -> RedisAddress:
    """Return the usual address, if a package of the target needs a Redis."""
    try:
        client = _client(target)
    except CheckFailed as error:
        problem = error.message
    else:
        names = _part_names(variables)
        value = dict.fromkeys(PARTS, "") | {"host": "127.0.0.1", "port": "6379"}
        value |= {part: variables[name].value for part, name in names.items()}
        parts = f" but {', '.join(names.values())}" if names else ""
        address = parse_address(
            _join_parts(value), f"assumed, since {client} and no address is set{parts}"
        )
        against = [
            f"{variable.place} sets {name}, which may name another Redis"
            for name, variable in sorted(variables.items())
            if names_a_redis(name, variable.value)
        ]
        against += find_evidence(target.root, (*URLS, "REDIS_HOST", "REDIS_PORT"))
        return msgspec.structs.replace(address, assumed=True, contradictions=tuple(against))
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

"""Addresses: their parts, and how they are shown without what is secret."""

from __future__ import annotations

import base64
from urllib.parse import quote, unquote, urljoin, urlsplit

import msgspec

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed

PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
"""The port of each scheme where the address names none."""

_KEPT = "/%:@!$&'()*+,;=~-._[]?"
_LONGEST = 8_000


class ServerOrigin(msgspec.Struct, frozen=True):
    """A server at a port; `secure` if it speaks TLS."""

    secure: bool
    host: str
    port: int

    @property
    def text(self) -> str:
        """As in the header `Origin`: ``http://localhost:3001``."""
        scheme = "https" if self.secure else "http"
        port = "" if self.port == PORTS[scheme] else f":{self.port}"
        return f"{scheme}://{bracketed(self.host)}{port}"


class SiteAddress(msgspec.Struct, frozen=True):
    """An address; `key` is the option that it comes from.

    `target` is the path with the query, as it is sent; `user` and `password` are those of the
    address itself, decoded.
    """

    key: str
    scheme: str
    origin: ServerOrigin
    target: str
    user: str | None = None
    password: str | None = None

    @property
    def shown(self) -> str:
        """The address for messages: without user, password and query."""
        path = one_line(self.target.partition("?")[0], 200)
        return f"{self.place}{path}"

    @property
    def place(self) -> str:
        """Scheme, host and port: ``ws://localhost:3001``."""
        port = "" if self.origin.port == PORTS[self.scheme] else f":{self.origin.port}"
        return f"{self.scheme}://{bracketed(self.origin.host)}{port}"

    @property
    def url(self) -> str:
        """The whole address but for user and password; its query may hold a secret."""
        return f"{self.place}{self.target}"

    @property
    def basic(self) -> str | None:
        """The header `Authorization` that user and password in the address make (RFC 7617)."""
        if self.user is None:
            return None
        pair = f"{self.user}:{self.password or ''}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


def parse_address(key: str, url: str) -> SiteAddress:
    """Return the address that `url` names; `key` is the option that has it.

    Raises:
        CheckFailed: It is no address; it is not shown, since it may contain a password.
    """
    try:
        return _parse(key, url)
    except ValueError:
        raise CheckFailed(f"{key} is not a valid address") from None


def resolve_address(base: SiteAddress, reference: str) -> SiteAddress:
    """Return the address that a redirect, or a form's action, on the page `base` leads to.

    Raises:
        CheckFailed: It is no address of HTTP.
    """
    try:
        found = _parse(base.key, urljoin(base.url, reference[:_LONGEST].strip()))
    except ValueError:
        raise CheckFailed(f"{base.shown} leads to something that is not an address") from None
    if found.origin != base.origin:
        return msgspec.structs.replace(found, user=None, password=None)
    return msgspec.structs.replace(found, user=base.user, password=base.password)


def bracketed(host: str) -> str:
    """Return a host as in an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def _parse(key: str, url: str) -> SiteAddress:
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in PORTS or not parts.hostname:
        raise ValueError(key)
    host = parts.hostname if ":" in parts.hostname else _ascii(parts.hostname)
    port = parts.port or PORTS[scheme]
    target = quote(parts.path or "/", safe=_KEPT)
    if parts.query:
        target += f"?{quote(parts.query, safe=_KEPT)}"
    return SiteAddress(
        key=key,
        scheme=scheme,
        origin=ServerOrigin(scheme in ("https", "wss"), host, port),
        target=target if target.startswith("/") else f"/{target}",
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def _ascii(host: str) -> str:
    """Return a name as DNS has it; raise ValueError for one that DNS can't have."""
    name = host.encode("idna").decode("ascii").lower()
    if any(character <= " " or character in "/\\@#?" for character in name):
        raise ValueError(name)
    return name

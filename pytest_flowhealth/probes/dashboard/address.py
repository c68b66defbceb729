"""The addresses that are asked: what they say, and how they are shown without what is secret."""

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


class Origin(msgspec.Struct, frozen=True):
    """Who is asked: a server at a port; `secure` where TLS is spoken."""

    secure: bool
    host: str
    port: int

    @property
    def text(self) -> str:
        """As in the header `Origin`: ``http://localhost:3001``."""
        scheme = "https" if self.secure else "http"
        port = "" if self.port == PORTS[scheme] else f":{self.port}"
        return f"{scheme}://{bracketed(self.host)}{port}"

    @property
    def local(self) -> bool:
        """Whether it is on this machine."""
        return self.host in {"localhost", "::1"} or self.host.startswith("127.")


class Address(msgspec.Struct, frozen=True):
    """An address: whom to ask, and for what; `key` says where it comes from.

    `target` is the path with the query, as it is sent; `user` and `password` are those of the
    address itself, decoded.
    """

    key: str
    scheme: str
    origin: Origin
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
    def host_header(self) -> str:
        """What the header `Host` says."""
        return self.place.partition("://")[2]

    @property
    def basic(self) -> str | None:
        """The header `Authorization` that user and password in the address make (RFC 7617)."""
        if self.user is None:
            return None
        pair = f"{self.user}:{self.password or ''}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


def parsed(key: str, url: str) -> Address:
    """Return the address that `url` says.

    Raises:
        CheckFailed: It says none; it is not shown, for it may hold a password.
    """
    try:
        return _parsed(key, url)
    except ValueError:
        raise CheckFailed(f"{key} is no address that can be asked") from None


def led_to(address: Address, location: str) -> Address:
    """Return the address that a redirect from `address` leads to.

    Raises:
        CheckFailed: It leads to none.
    """
    try:
        found = _parsed(address.key, urljoin(address.url, location[:_LONGEST]))
    except ValueError:
        raise CheckFailed(f"{address.shown} redirects to what is no address") from None
    if found.origin != address.origin:
        return msgspec.structs.replace(found, user=None, password=None)
    return msgspec.structs.replace(found, user=address.user, password=address.password)


def bracketed(host: str) -> str:
    """Return a host as in an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def _parsed(key: str, url: str) -> Address:
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in PORTS or not parts.hostname:
        raise ValueError(key)
    host = parts.hostname if ":" in parts.hostname else _ascii(parts.hostname)
    port = parts.port or PORTS[scheme]
    target = quote(parts.path or "/", safe=_KEPT)
    if parts.query:
        target += f"?{quote(parts.query, safe=_KEPT)}"
    return Address(
        key=key,
        scheme=scheme,
        origin=Origin(scheme in ("https", "wss"), host, port),
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

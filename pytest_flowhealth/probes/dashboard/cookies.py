"""Cookies as libcurl lists them (the Netscape format), for WebSockets and for a browser."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable
from http import cookiejar

import msgspec

_HTTP_ONLY = "#HttpOnly_"


class Cookie(msgspec.Struct, frozen=True):
    """A cookie; `expires` is in seconds since the epoch, 0 for the end of the session."""

    name: str
    value: str
    domain: str
    path: str
    secure: bool
    http_only: bool
    expires: int


def parse_cookie(line: str) -> Cookie:
    """Return the cookie of one line: domain, subdomains, path, secure, expires, name, value."""
    domain, _, path, secure, expires, name, value = line.split("\t", 6)
    return Cookie(
        name=name,
        value=value,
        domain=domain.removeprefix(_HTTP_ONLY),
        path=path,
        secure=secure == "TRUE",
        http_only=domain.startswith(_HTTP_ONLY),
        expires=int(expires),
    )


def parse_cookie_pairs(text: str, host: str) -> list[Cookie]:
    """Return the cookies of a header `Cookie` (``a=1; b=2``) for a host."""
    pairs = [part.strip().partition("=") for part in text.split(";") if "=" in part]
    return [Cookie(name, value, host, "/", False, False, 0) for name, _, value in pairs]


def cookie_header(cookies: Iterable[Cookie], url: str) -> str | None:
    """Return the header `Cookie` of a request to `url`, None without a cookie for it."""
    jar = cookiejar.CookieJar(cookiejar.DefaultCookiePolicy(rfc2965=False))
    for cookie in cookies:
        jar.set_cookie(_standard(cookie))
    request = urllib.request.Request(url.replace("ws", "http", 1) if url[:2] == "ws" else url)  # noqa: S310  # never opened
    jar.add_cookie_header(request)
    return request.get_header("Cookie")


def _standard(cookie: Cookie) -> cookiejar.Cookie:
    # The library appends .local to names without a dot.
    domain = cookie.domain if "." in cookie.domain else f"{cookie.domain}.local"
    return cookiejar.Cookie(
        version=0,
        name=cookie.name,
        value=cookie.value,
        port=None,
        port_specified=False,
        domain=domain,
        domain_specified=domain.startswith("."),
        domain_initial_dot=domain.startswith("."),
        path=cookie.path,
        path_specified=True,
        secure=cookie.secure,
        expires=cookie.expires or None,
        discard=not cookie.expires,
        comment=None,
        comment_url=None,
        rest={},
    )

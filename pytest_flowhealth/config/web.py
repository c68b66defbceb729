"""What can be configured of the web page: `[web]`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Scope = Literal["read", "metrics", "report"]
"""What a machine's token opens: the API, `/metrics`, or handing in reports of installations."""

PUBLIC = ("status", "badge")
"""What can be shown without a log-in."""


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a machine shows as `Authorization: Bearer`."""

    sha256: Annotated[
        str,
        Meta(
            description="Its SHA-256, in hexadecimal; `printf %s TOKEN | sha256sum` makes it.",
            examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
        ),
    ]
    scopes: Annotated[
        tuple[Scope, ...],
        Meta(
            description="What it opens: `read` the API, `metrics` only /metrics, `report` only to "
            "hand in reports of installations."
        ),
    ] = ("read",)


class Web(msgspec.Struct, frozen=True):
    """The web page."""

    users: Annotated[
        dict[str, str],
        Meta(
            description="Who may log in, with the argon2 hash of the password as "
            "`flowhealth hash-password` makes it. `FLOWHEALTH_WEB_PASSWORD` sets that of `admin`. Without "
            "any, a link with a one-time token is printed.",
            examples=[{"admin": "$argon2id$..."}],
        ),
    ] = {}
    session: Annotated[str, Meta(description="How long a log-in holds.")] = "8 h"
    tokens: Annotated[
        dict[str, Token],
        Meta(
            description="Tokens for machines by a name: `sha256`, the token's SHA-256 in hexadecimal, "
            "and `scopes`: `read`, `metrics`, `report`. `FLOWHEALTH_WEB_TOKEN` is one with read and "
            "metrics.",
            examples=[{"prometheus": {"sha256": "9f86d0...", "scopes": ["metrics"]}}],
        ),
    ] = {}
    certificate: Annotated[
        str | None,
        Meta(
            description="The file of the TLS certificate and those that signed it, relative to the "
            "project.",
            examples=["tls/fullchain.pem"],
        ),
    ] = None
    key: Annotated[
        str | None,
        Meta(description="The file of its private key.", examples=["tls/key.pem"]),
    ] = None
    origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Other addresses that the page is reached by, where a proxy stands before it.",
            examples=[["https://health.example.org"]],
        ),
    ] = ()
    proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.",
            examples=[["127.0.0.1"]],
        ),
    ] = ()
    public: Annotated[
        tuple[str, ...],
        Meta(
            description="What is shown without a log-in: `status` is a page at /status, `badge` are "
            "images at /badge/status.svg. They have names, statuses and availability only. By default nothing is shown.",
            examples=[["status", "badge"]],
        ),
    ] = ()
    insecure: Annotated[
        bool,
        Meta(
            description="Whether it may be bound to another address than this machine's own without "
            "a password or without TLS: who listens on the way can log in too."
        ),
    ] = False


_HASH = re.compile(r"\$argon2(id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+\Z")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")
_NAME = re.compile(r"[\w.-]{1,40}\Z")
_ORIGIN = re.compile(r"https?://[^/\s]+\Z")


def require_users(users: Mapping[str, str]) -> None:
    """Refuse what is no argon2 hash; it is not shown.

    Raises:
        ValueError: One is none.
    """
    for name, text in users.items():
        if not name.strip() or not _HASH.match(text):
            told = _told(name, "a user")
            raise ValueError(f"{told} needs an argon2 hash: `flowhealth hash-password` makes one")


def require_tokens(tokens: Mapping[str, Token]) -> None:
    """Refuse what is no SHA-256; it is not shown.

    Raises:
        ValueError: One is none.
    """
    for name, token in tokens.items():
        if not _SHA256.match(token.sha256):
            told = _told(name, "one of them")
            raise ValueError(f"{told} needs the token's SHA-256, 64 hexadecimal digits")


def _told(name: str, otherwise: str) -> str:
    """Return a name, where it looks like one and not like something secret."""
    return repr(name) if _NAME.match(name) else otherwise


def require_public(names: Sequence[str]) -> None:
    """Refuse what can't be shown without a log-in.

    Raises:
        ValueError: One is unknown; it is not shown: it may hold a password.
    """
    if not set(names) <= set(PUBLIC):
        raise ValueError("expected a list of 'status' and 'badge'")


def require_origins(origins: Sequence[str]) -> None:
    """Refuse what is no origin.

    Raises:
        ValueError: One is none.
    """
    for one in origins:
        if not _ORIGIN.match(one):
            # Not shown: it may hold a password.
            raise ValueError("expected origins such as 'https://health.example.org'")

"""The section of the web page: `[web]`."""

from __future__ import annotations

from typing import Literal

import msgspec

from pytest_flowhealth.config.notation import (
    HOUR,
    Duration,
    NonEmpty,
    Origin,
    PasswordHash,
    Sha256,
)

Scope = Literal["read", "metrics", "report"]
"""What a machine's token gives access to: the API, `/metrics`, or submitting install reports."""


Public = Literal["status", "badge"]
"""What can be shown without a login."""


class Token(msgspec.Struct, frozen=True):
    """A machine's token, sent as `Authorization: Bearer`."""

    sha256: Sha256
    """The SHA-256 of the token, in hexadecimal; `printf %s TOKEN | sha256sum` prints it.
    Example: `"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`."""
    scopes: tuple[Scope, ...] = ("read",)
    """What it gives access to: `read` the API, `metrics` only /metrics, `report` only submitting install
    reports."""


class Web(msgspec.Struct, frozen=True):
    """The web page."""

    users: dict[str, PasswordHash] = {}
    """The users, each with the argon2 hash of the password as `flowhealth hash-password` prints it.
    `FLOWHEALTH_WEB_PASSWORD` sets the password of `admin`. Without users, a link with a one-time token
    is printed. Example: `{ admin = "$argon2id$..." }`."""
    session: Duration = 8 * HOUR
    """How long a session lasts."""
    tokens: dict[str, Token] = {}
    """Tokens for machines by name: `sha256`, the token's SHA-256 in hexadecimal, and `scopes`: `read`,
    `metrics`, `report`. `FLOWHEALTH_WEB_TOKEN` is a token with read and metrics.
    Example: `{ prometheus = { sha256 = "9f86d0...", scopes = ["metrics"] } }`."""
    certificate: NonEmpty | None = None
    """The file of the TLS certificate and its chain, relative to the project.
    Example: `"tls/fullchain.pem"`."""
    key: NonEmpty | None = None
    """The file of the certificate's private key. Example: `"tls/key.pem"`."""
    origins: tuple[Origin, ...] = ()
    """Other addresses of the page, if it is behind a proxy. Example: `["https://health.example.org"]`."""
    proxies: tuple[str, ...] = ()
    """Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted. Example: `["127.0.0.1"]`."""
    public: tuple[Public, ...] = ()
    """What is shown without a login: `status` is a page at /status, `badge` are images such as
    /badge/status.svg. They contain names, statuses and availability only. Example: `["status", "badge"]`."""
    insecure: bool = False
    """Whether the page may be bound to an address other than loopback without a password or without TLS;
    whoever reads the traffic can then log in."""

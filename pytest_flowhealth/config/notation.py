"""How values are written in a configuration, and what they are decoded into.

A `Notation` is attached to a type by `msgspec.Meta(extra=...)`. The aliases below are the types of the
sections: a `Duration` is a float in seconds, a `Size` an int in bytes, the others are texts that have
been checked. Errors, the JSON Schema and the reference take their texts from the notations.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

import msgspec
from msgspec import Meta

from pytest_flowhealth.config.extensions import FLEET_SOURCES, require_known
from pytest_flowhealth.domain.units import UNITS, parse_duration, parse_size

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
MIB = 2**20
LONGEST_RETENTION = 90 * DAY
"""Seconds for which install reports are kept at most."""

_DURATION_UNITS = {"d": DAY, "h": HOUR, "min": MINUTE, "s": 1.0, "ms": 1e-3, "us": 1e-6}
_SIZE_UNITS = {"GiB": 2**30, "MiB": MIB, "KiB": 2**10, "B": 1}
REPOSITORY = r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$"
"""What the name of a GitHub repository matches."""


class Notation(msgspec.Struct, frozen=True):
    """How a value is written.

    Attributes:
        name: What a value is called.
        expected: What is accepted, for error messages.
        parse: Returns the value of a text, or raises ValueError, with or without a message.
        write: Returns the text of a value.
        secret: The value is never part of a message.
        explains: The messages of `parse` replace `expected`.
    """

    name: str
    expected: str
    parse: Callable[[str], Any]
    write: Callable[[Any], str] = str
    secret: bool = False
    explains: bool = False


def write_duration(seconds: float) -> str:
    """Return a duration with the largest unit that gives a whole number: ``5 s``, ``1 h``."""
    return _write_quantity(seconds, _DURATION_UNITS)


def write_size(size: float) -> str:
    """Return a size, given in bytes, with the largest binary unit that gives a whole number."""
    return _write_quantity(size, _SIZE_UNITS)


def _write_quantity(value: float, units: dict[str, float] | dict[str, int]) -> str:
    for unit, factor in units.items():
        number = round(value / factor, 9)
        if number >= 1 and number.is_integer():
            return f"{number:.0f} {unit}"
    unit, factor = ("s", 1.0) if "s" in units else ("B", 1)
    return f"{Decimal(repr(value / factor)):f} {unit}"


def split_web_address(text: str) -> SplitResult:
    """Return the parts of an http or https URL.

    Raises:
        ValueError: It is no such URL; the message is empty, as the URL may contain a password.
    """
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable:
        raise ValueError
    return parts


def _parse_web_address(text: str) -> str:
    split_web_address(text)
    return text


def _parse_websocket_address(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if scheme.lower() not in ("ws", "wss"):
        raise ValueError
    split_web_address(f"http{separator}{rest}")
    return text


def _parse_api_address(text: str) -> str:
    """Accept only addresses to which a token is sent encrypted, or that do not leave this machine."""
    parts = split_web_address(text)
    safe = parts.scheme == "https" or is_loopback(parts.hostname or "")
    if not safe or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError
    return text


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parse_fleet_address(text: str) -> str:
    """Check web addresses; the probe checks those of Redis."""
    if text.startswith(("http:", "https:")):
        return _parse_web_address(text)
    return _matching(r"\S")(text)


def _parse_fleet_source(text: str) -> str:
    require_known(FLEET_SOURCES, text)
    return text


def _parse_ready_signal(text: str) -> str:
    kind, _, argument = text.partition(":")
    if kind not in ("stdout", "redis", "event", "port") or not argument.strip():
        raise ValueError
    if kind == "port" and not (
        re.fullmatch(r"[0-9]{1,5}", argument) and 0 < int(argument) < 65_536
    ):
        raise ValueError
    return text


def _parse_retention(text: str) -> float:
    seconds = parse_duration(text)
    if seconds > LONGEST_RETENTION:
        raise ValueError
    return seconds


def _parse_delay(text: str) -> float:
    return 0.0 if text.strip() == "0" else parse_duration(text)


def _parse_size(text: str) -> int:
    return max(1, round(parse_size(text, "B")))


def _parse_label(text: str) -> str:
    if not text.strip() or "," in text or not text.isprintable() or len(text) > 50:
        raise ValueError
    return text


def _matching(pattern: str) -> Callable[[str], str]:
    """Return a parser that accepts the texts in which a pattern is found."""
    compiled = re.compile(pattern, re.ASCII)

    def parse(text: str) -> str:
        if not compiled.search(text) or (pattern.endswith("$") and text.endswith("\n")):
            raise ValueError
        return text

    return parse


def make_meta(
    name: str,
    expected: str,
    parse: Callable[[str], Any] | None = None,
    pattern: str | None = None,
    **options: Any,
) -> Meta:
    """Return the annotation of a type with a notation; without `parse`, the pattern decides."""
    notation = Notation(name, expected, parse or _matching(pattern or ""), **options)
    schema = {"pattern": pattern} if pattern else None
    return Meta(extra={"notation": notation}, extra_json_schema=schema)


_NUMBER = r"^\s*\d+(\.\d+)?\s*"
_DURATION = rf"{_NUMBER}(us|ms|s|sec|m|min|h|d)\s*$"
_DURATIONS = "a number above zero with us, ms, s, min, h or d, such as '5 s' or '10 min'"
_SIZE = rf"{_NUMBER}(B|KiB|MiB|GiB|kB|MB|GB)\s*$"
_SIZES = "a number above zero with B, KiB, MiB, GiB, kB, MB or GB, such as '512 MiB'"
_HASH = r"^\$argon2(id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$"

Duration = Annotated[
    float,
    make_meta("duration", _DURATIONS, parse_duration, pattern=_DURATION, write=write_duration),
]
Delay = Annotated[
    float,
    make_meta(
        "duration",
        f"0, or {_DURATIONS}",
        _parse_delay,
        pattern=rf"^\s*0\s*$|{_DURATION}",
        write=lambda value: write_duration(value) if value else "0",
    ),
]
Retention = Annotated[
    float,
    make_meta(
        "duration up to 90 days",
        f"at most 90 d: {_DURATIONS}",
        _parse_retention,
        pattern=_DURATION,
        write=write_duration,
    ),
]
Size = Annotated[int, make_meta("size", _SIZES, _parse_size, pattern=_SIZE, write=write_size)]
NonEmpty = Annotated[str, make_meta("text", "a text that is not empty", pattern=r"\S")]
Secret = Annotated[str, make_meta("secret", "a text that is not empty", pattern=r"\S", secret=True)]
WebAddress = Annotated[
    str,
    make_meta(
        "web address",
        "an http or https URL such as 'https://health.example.org/'",
        _parse_web_address,
        pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://.",
        secret=True,
    ),
]
WebSocketAddress = Annotated[
    str,
    make_meta(
        "WebSocket address",
        "a ws or wss URL such as 'ws://localhost:3001/ws'",
        _parse_websocket_address,
        pattern=r"^[Ww][Ss][Ss]?://.",
        secret=True,
    ),
]
ApiAddress = Annotated[
    str,
    make_meta(
        "API address",
        "an https URL such as 'https://api.github.com'",
        _parse_api_address,
        pattern=r"^https?://.",
        secret=True,
    ),
]
FleetAddress = Annotated[
    str,
    make_meta(
        "address",
        "an address such as 'http://localhost:3001/api/fleet' or 'redis://localhost:6379/0'",
        _parse_fleet_address,
        pattern=r"\S",
        secret=True,
    ),
]
RedisAddress = Annotated[
    str,
    make_meta(
        "address", "an address such as 'redis://localhost:6379/0'", pattern=r"\S", secret=True
    ),
]
Origin = Annotated[
    str,
    make_meta(
        "origin",
        "an origin such as 'https://health.example.org'",
        pattern=r"^https?://[^/\s]+$",
        secret=True,
    ),
]
NpmRange = Annotated[str, make_meta("npm range", "an npm range such as '>=20'", pattern=r"\S")]
PackageName = Annotated[
    str,
    make_meta(
        "package name",
        "the name of a package such as 'express' or '@scope/name'",
        pattern=r"^(?=.{1,214}$)(?:@[\w.~-]+/)?(?![._-])[\w.~-]+$",
    ),
]
Repository = Annotated[
    str,
    make_meta("repository", "a GitHub repository such as 'owner/name'", pattern=REPOSITORY),
]
Label = Annotated[
    str,
    make_meta("label", "1 to 50 characters without a comma", _parse_label, pattern="^[^,]{1,50}$"),
]
FleetSource = Annotated[
    str, make_meta("fleet source", "a source such as 'bullmq'", _parse_fleet_source, explains=True)
]
ReadySignal = Annotated[
    str,
    make_meta(
        "ready signal",
        "'stdout:TEXT', 'redis:KEY', 'event:CHANNEL' or 'port:NUMBER' with a port from 1 to 65535",
        _parse_ready_signal,
        pattern=r"^(stdout|redis|event|port):.*\S",
    ),
]
Unit = Annotated[
    str,
    make_meta(
        "unit",
        f"one of {' '.join(UNITS)}",
        pattern=f"^({'|'.join(map(re.escape, UNITS))})$",
    ),
]
AlertName = Annotated[
    str,
    make_meta(
        "name",
        "a letter, then letters, digits, '.', '_' and '-'",
        pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$",
    ),
]
MetricName = Annotated[
    str,
    make_meta(
        "metric",
        "component.measurement, such as 'redis.connect.p95'",
        pattern=r"^[A-Za-z][A-Za-z0-9_-]*\.[A-Za-z0-9_.-]+(\[.*\])?$",
    ),
]
PasswordHash = Annotated[
    str,
    make_meta(
        "argon2 hash",
        "an argon2 hash as `flowhealth hash-password` prints it",
        pattern=_HASH,
        secret=True,
    ),
]
Sha256 = Annotated[
    str,
    make_meta(
        "SHA-256",
        "the SHA-256 of a token, 64 hexadecimal digits",
        pattern=r"^[0-9a-fA-F]{64}$",
        secret=True,
    ),
]

"""From raw values to typed ones, key by key, so that every mistake is found in one go."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from pytest_flowhealth.config.model import Configuration, Limits
from pytest_flowhealth.verdict.units import UNITS, parse_duration, parse_size

SCHEMES = ("redis", "rediss", "unix")
"""The schemes of a Redis address."""


class Value(NamedTuple):
    """A decoded value and who set it."""

    value: Any
    source: str


Values = dict[str, Value]
"""Decoded values by dotted key: ``redis.url``, ``thresholds.NAME``, ``checks``."""


class Field(NamedTuple):
    """A key of the configuration: its dotted name, its type, its default and what it means."""

    key: str
    type: Any
    default: Any
    struct: type[msgspec.Struct]
    name: str


def sections() -> dict[str, type[msgspec.Struct]]:
    """Return the struct of each section by its name."""
    fields = msgspec.structs.fields(Configuration)
    return {one.name: one.type for one in fields if _is_section(one.type)}


def known_fields() -> dict[str, Field]:
    """Return every key that can be set, top-level ones first; thresholds are apart."""
    found = {}
    for one in msgspec.structs.fields(Configuration):
        if _is_section(one.type):
            for part in msgspec.structs.fields(one.type):
                key = f"{one.name}.{part.name}"
                found[key] = Field(key, part.type, part.default, one.type, part.name)
        elif one.name != "thresholds":
            found[one.name] = Field(one.name, one.type, one.default, Configuration, one.name)
    return found


class Decoder:
    """Decodes the tables of one source; what is wrong is collected in `problems`."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.problems: list[str] = []
        self.values: Values = {}
        self._fields = known_fields()

    def table(self, raw: Mapping[str, Any]) -> None:
        """Decode the top-level table."""
        known = [one.name for one in msgspec.structs.fields(Configuration)]
        for name, value in raw.items():
            if name == "thresholds":
                self._thresholds(value)
            elif name in sections():
                self._section(name, value)
            elif name in known:
                self.set(name, value)
            else:
                self._unknown(name, known, "")

    def set(self, key: str, value: Any) -> None:
        """Decode one value by its dotted key."""
        field = self._fields[key]
        try:
            decoded = msgspec.convert(value, field.type, strict=True)
            CHECKS.get(key, _anything)(decoded)
        except (msgspec.ValidationError, ValueError) as error:
            self.problems.append(f"{self.source}: {key}: {_said(error)}")
        else:
            self.values[key] = Value(decoded, self.source)

    def limits(self, name: str, raw: object) -> None:
        """Decode the limits of one threshold."""
        try:
            self.values[f"thresholds.{name}"] = Value(_limits(raw), self.source)
        except (msgspec.ValidationError, ValueError) as error:
            self.problems.append(f"{self.source}: thresholds.{name!r}: {_said(error)}")

    def _section(self, name: str, value: object) -> None:
        if not isinstance(value, Mapping):
            self.problems.append(f"{self.source}: [{name}] must be a table")
            return
        known = [one.name for one in msgspec.structs.fields(sections()[name])]
        for key, one in value.items():
            if key in known:
                self.set(f"{name}.{key}", one)
            else:
                self._unknown(key, known, f" in [{name}]")

    def _thresholds(self, value: object) -> None:
        if not isinstance(value, Mapping):
            self.problems.append(f"{self.source}: [thresholds] must be a table")
            return
        for name, limits in value.items():
            self.limits(name, limits)

    def _unknown(self, key: str, known: list[str], where: str) -> None:
        self.problems.append(f"{self.source}: unknown key {key!r}{where}; {hint(key, known)}")


def hint(name: str, known: list[str]) -> str:
    """Return which of `known` was perhaps meant by `name`, or all of them."""
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"


def assembled(values: Values) -> Configuration:
    """Return the configuration that the decoded values make."""
    parts: dict[str, Any] = {}
    for name, struct in sections().items():
        keys = [one.name for one in msgspec.structs.fields(struct)]
        given = {key: values[f"{name}.{key}"].value for key in keys if f"{name}.{key}" in values}
        parts[name] = struct(**given)
    for key in known_fields():
        if "." not in key and key in values:
            parts[key] = values[key].value
    thresholds = "thresholds."
    parts["thresholds"] = {
        key.removeprefix(thresholds): one.value
        for key, one in values.items()
        if key.startswith(thresholds)
    }
    return Configuration(**parts)


def _limits(raw: object) -> Limits:
    known = [one.name for one in msgspec.structs.fields(Limits)]
    if not isinstance(raw, Mapping):
        raise ValueError("must be a table such as { warn = 5, fail = 50 }")  # noqa: TRY004  # one family
    unknown = [key for key in raw if key not in known]
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}; {hint(unknown[0], known)}")
    limits = msgspec.convert(raw, Limits, strict=True)
    if limits.warn is None and limits.fail is None:
        raise ValueError("has neither warn nor fail")
    if not all(math.isfinite(one) for one in (limits.warn, limits.fail) if one is not None):
        raise ValueError("limits must be finite numbers")
    if limits.unit is not None and limits.unit not in UNITS:
        raise ValueError(f"unknown unit {limits.unit!r}; known are {' '.join(UNITS)}")
    return limits


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _said(error: Exception) -> str:
    return str(error).replace("`", "'")


def _anything(value: object) -> None:
    """Accept any value."""


def _redis_url(url: str | None) -> None:
    """Refuse what is no Redis address, without showing it: it may hold a password."""
    if url is None:
        return
    try:
        parts = urlsplit(url)
        usable = parts.scheme in SCHEMES and (
            parts.path if parts.scheme == "unix" else parts.hostname
        )
        _ = parts.port if parts.scheme != "unix" else None
    except ValueError:
        usable = None
    if not usable:
        raise ValueError("must be a Redis address such as 'redis://localhost:6379/0'")


def _not_blank(text: str | None) -> None:
    if text is not None and not text.strip():
        raise ValueError("must not be empty")


CHECKS: dict[str, Callable[[Any], object]] = {
    "redis.url": _redis_url,
    "redis.timeout": parse_duration,
    "redis.prefix": _not_blank,
    "system.memory": parse_size,
    "system.node": _not_blank,
    "system.npm": _not_blank,
}
"""What a value must be beyond its type, by dotted key; raises ValueError."""

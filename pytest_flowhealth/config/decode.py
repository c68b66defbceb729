"""From raw values to typed ones, key by key, so that every mistake is found in one go."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from pytest_flowhealth.config.extensions import FLEET_SOURCES, require_known, split_options
from pytest_flowhealth.config.feedback import require_keep
from pytest_flowhealth.config.fields import (
    THRESHOLDS,
    Structure,
    joined,
    known_fields,
    names_of,
    table_of,
    tables,
)
from pytest_flowhealth.config.github import require_api, require_labels, require_repository
from pytest_flowhealth.config.limits import limits_of
from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.require import (
    require_intervals,
    require_receivers,
    require_rules,
    require_silences,
)
from pytest_flowhealth.config.semver import is_range
from pytest_flowhealth.config.web import (
    require_origins,
    require_public,
    require_tokens,
    require_users,
)
from pytest_flowhealth.config.wording import quoted, requoted, unknowns
from pytest_flowhealth.domain.units import parse_duration, parse_size

_PACKAGE_NAME = re.compile(r"(?:@[\w.~-]+/)?(?![._-])[\w.~-]+\Z", re.ASCII)


class Value(NamedTuple):
    """A decoded value and who set it."""

    value: Any
    source: str


Values = dict[str, Value]
"""Decoded values by dotted key: ``redis.url``, ``fleet.spawn.ready``, ``thresholds.NAME``."""


class Decoder:
    """Decodes the tables of one source; what is wrong is collected in `problems`."""

    def __init__(self, source: str, root: Structure = Configuration) -> None:
        self.source = source
        self.problems: list[str] = []
        self.values: Values = {}
        self._tables = tables(root)
        self._fields = known_fields(root)

    def table(self, raw: Mapping[str, Any], table: str = "") -> None:
        """Decode the top-level table, or one in it."""
        known = names_of(self._tables[table])
        unknown: list[str] = []
        for name, value in raw.items():
            key = joined(table, name)
            if name not in known:
                unknown.append(name)
            elif key in self._fields:
                self.set(key, value)
            elif not isinstance(value, Mapping):
                self.problems.append(f"{self.source}: [{key}] must be a table")
            elif key == THRESHOLDS:
                for one, limits in value.items():
                    self.limits(one, limits)
            else:
                self.table(value, key)
        where = f" in [{table}]" if table else ""
        self.problems += unknowns(
            unknown, known, lambda name: f"{self.source}: unknown key {quoted(name)}{where}"
        )

    def set(self, key: str, value: Any, *, strict: bool = True) -> None:
        """Decode one value by its dotted key; not `strict`: numbers may be texts."""
        try:
            raw = split_options(value) if key == "receivers" else value
            decoded = msgspec.convert(raw, self._fields[key].type, strict=strict)
            _finite(decoded)
            CHECKS.get(key, _anything)(decoded)
        except (msgspec.ValidationError, ValueError) as error:
            self.problems.append(f"{self.source}: {key}: {requoted(_said(error), value)}")
        else:
            self.values[key] = Value(decoded, self.source)

    def limits(self, name: str, raw: object) -> None:
        """Decode the limits of one threshold."""
        try:
            self.values[f"{THRESHOLDS}.{name}"] = Value(limits_of(raw), self.source)
        except (msgspec.ValidationError, ValueError) as error:
            self.problems.append(f"{self.source}: {THRESHOLDS}.{quoted(name)}: {_said(error)}")


def assembled(values: Values) -> Configuration:
    """Return the configuration that the decoded values make."""
    configuration: Configuration = built(values, Configuration)
    before = f"{THRESHOLDS}."
    thresholds = {
        key.removeprefix(before): one.value for key, one in values.items() if key.startswith(before)
    }
    return msgspec.structs.replace(configuration, thresholds=thresholds)


def built(values: Values, struct: Structure, table: str = "", default: Any = None) -> Any:
    """Return the struct of one table with the values that are set, over its `default`."""
    parts: dict[str, Any] = {}
    for one in msgspec.structs.fields(struct):
        key = joined(table, one.name)
        inner = table_of(one.type)
        if key in values:
            parts[one.name] = values[key].value
        elif inner is not None and any(name.startswith(f"{key}.") for name in values):
            parts[one.name] = built(values, inner, key, one.default)
    if isinstance(default, struct):
        return msgspec.structs.replace(default, **parts)
    return struct(**parts)


def _said(error: Exception) -> str:
    return str(error).replace("`", "'")


def _anything(value: object) -> None:
    """Accept any value."""


def _finite(value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")


def _not_blank(text: str | None) -> None:
    if text is not None and not text.strip():
        raise ValueError("must not be empty")


def _range(text: str | None) -> None:
    if text is not None and not (text.strip() and is_range(text)):
        raise ValueError("must be an npm range such as '>=20'")


def _web_address(url: str | None) -> None:
    """Refuse what is no address, without showing it: it may hold a password."""
    if url is None:
        return
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = None
    if not usable:
        raise ValueError("must be an address such as 'https://registry.example.org/'")


def _websocket_address(url: str) -> None:
    """Refuse what is no address of a WebSocket, without showing it."""
    scheme, separator, rest = url.partition("://")
    try:
        _web_address(f"http{scheme[2:].lower()}{separator}{rest}")
    except ValueError:
        usable = False
    else:
        usable = scheme.lower() in ("ws", "wss")
    if not usable:
        raise ValueError("must be an address such as 'ws://localhost:3001/ws'")


def package_name(name: str | None) -> None:
    """Raise ValueError for what is no package's name, and would mean something else to npm."""
    if name is not None and (len(name) > 214 or not _PACKAGE_NAME.match(name)):
        raise ValueError("must be a package's name such as 'express' or '@scope/name'")


def _package_names(names: tuple[str, ...]) -> None:
    for one in names:
        package_name(one)


def _fleet_url(url: str | None) -> None:
    """Reject a web address that can't be used; what is no web address is one of a Redis."""
    if url is not None and url.startswith(("http:", "https:")):
        _web_address(url)
    else:
        _not_blank(url)


def _fleet_source(name: str | None) -> None:
    if name is not None:
        require_known(FLEET_SOURCES, name)


def _ready_sign(text: str) -> None:
    kind, _, what = text.partition(":")
    if kind not in ("stdout", "redis", "event", "port") or not what.strip():
        raise ValueError(
            "must be such as 'stdout:ready', 'redis:KEY', 'event:CHANNEL', 'port:3001'"
        )
    if kind == "port" and not (what.isascii() and what.isdigit() and 0 < int(what[:6]) < 65_536):
        raise ValueError("must name a port from 1 to 65535 after 'port:'")


def _program(words: tuple[str, ...]) -> None:
    if not words or not words[0].strip():
        raise ValueError("must name a program")


CHECKS: dict[str, Callable[[Any], object]] = {
    "dashboard.browser": _not_blank,
    "dashboard.ca": _not_blank,
    "dashboard.certificate": _not_blank,
    "dashboard.connections.field": _not_blank,
    "dashboard.connections.hold": parse_duration,
    "dashboard.connections.url": _web_address,
    "dashboard.contains": _not_blank,
    "dashboard.events": _web_address,
    "dashboard.heartbeat.every": parse_duration,
    "dashboard.key": _not_blank,
    "dashboard.login.secret": _not_blank,
    "dashboard.login.secret_env": _not_blank,
    "dashboard.login.url": _web_address,
    "dashboard.message.reply": _not_blank,
    "dashboard.message.send": _not_blank,
    "dashboard.timeout": parse_duration,
    "dashboard.update": _not_blank,
    "dashboard.update_interval": parse_duration,
    "dashboard.url": _web_address,
    "dashboard.websocket": _websocket_address,
    "dashboard.window": parse_duration,
    "alerts.cooldown": parse_duration,
    "alerts.flap_window": parse_duration,
    "alerts.runbook_url": _web_address,
    "monitor.instance": _not_blank,
    "feedback.keep": require_keep,
    "feedback.key_file": _not_blank,
    "feedback.packages": _package_names,
    "feedback.window": parse_duration,
    "fleet.heartbeat": parse_duration,
    "fleet.listen": parse_duration,
    "fleet.prefix": _not_blank,
    "fleet.queue": _not_blank,
    "fleet.source": _fleet_source,
    "fleet.spawn.command": _program,
    "fleet.spawn.ready": _ready_sign,
    "fleet.spawn.timeout": parse_duration,
    "fleet.stuck": parse_duration,
    "fleet.timeout": parse_duration,
    "fleet.token_env": _not_blank,
    "fleet.url": _fleet_url,
    "fleet.window": parse_duration,
    "github.api": require_api,
    "github.comment_every": parse_duration,
    "github.labels": require_labels,
    "github.repository": require_repository,
    "github.timeout": parse_duration,
    "npm.downloads": _web_address,
    "history.queue_age": parse_duration,
    "history.queue_size": parse_size,
    "history.rollups": parse_duration,
    "history.runs": parse_duration,
    "history.samples": parse_duration,
    "history.token_env": _not_blank,
    "monitor.intervals": require_intervals,
    "monitor.limit": parse_duration,
    "monitor.logs": _not_blank,
    "monitor.openmetrics": _not_blank,
    "npm.install_timeout": parse_duration,
    "npm.package": package_name,
    "npm.registry": _web_address,
    "npm.timeout": parse_duration,
    "receivers": require_receivers,
    "redis.url": _not_blank,
    "redis.timeout": parse_duration,
    "redis.prefix": _not_blank,
    "redis.ca": _not_blank,
    "rules": require_rules,
    "silences": require_silences,
    "system.memory": parse_size,
    "system.node": _range,
    "system.npm": _range,
    "wasm.export": _not_blank,
    "wasm.module": _not_blank,
    "web.certificate": _not_blank,
    "web.key": _not_blank,
    "web.origins": require_origins,
    "web.public": require_public,
    "web.session": parse_duration,
    "web.tokens": require_tokens,
    "web.users": require_users,
}
"""What a value must be beyond its type, by dotted key; raises ValueError."""

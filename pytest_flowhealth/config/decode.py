"""Decode the tables of a source key by key, so that all errors are found together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from pytest_flowhealth.config.fields import (
    Structure,
    alternatives,
    container,
    describe_type,
    item_of,
    join_key,
    known_fields,
    metas_of,
    notation_of,
    parts_of,
    table_of,
    tables,
)
from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.notation import Notation
from pytest_flowhealth.config.problems import quote, quote_key, shorten, suggest
from pytest_flowhealth.domain.text import find_secrets


class Value(NamedTuple):
    """A decoded value and its source, such as ``flowhealth.toml``."""

    value: Any
    source: str


Values = dict[str, Value]
"""Decoded values by dotted key: ``redis.url``, ``fleet.spawn.ready``, ``thresholds.NAME``."""


class Decoder:
    """Decodes one source: `values` by dotted key, and the `problems` that were found."""

    def __init__(self, source: str, root: Structure = Configuration) -> None:
        self.source = source
        self.problems: list[str] = []
        self.values: Values = {}
        self._tables = tables(root)
        self._fields = known_fields(root)

    def table(self, raw: Mapping[str, Any], table: str = "") -> None:
        """Decode the top-level table, or one in it."""
        known = [field.name for field in msgspec.structs.fields(self._tables[table])]
        for name, value in raw.items():
            key = join_key(table, name)
            if name not in known:
                self._report(_describe_unknown(name, known, table))
            elif key in self._fields:
                self.set(key, value)
            elif isinstance(value, Mapping):
                self.table(value, key)
            else:
                self._report(f"[{key}] must be a table; found {describe_found(value)}")

    def set(self, key: str, value: Any, *, strict: bool = True) -> None:
        """Decode one value by its dotted key; not `strict`: numbers may be texts.

        The entries of a table of tables, such as `thresholds`, are values of their own.
        """
        kind = self._fields[key].type
        problems: list[str] = []
        decoded = _decode(value, kind, key, problems, strict=strict)
        self.problems += [f"{self.source}: {problem}" for problem in problems]
        if container(alternatives(kind)[0]) is dict and parts_of(kind):
            entries = decoded if isinstance(decoded, dict) else {}
            self.values |= {
                f"{key}.{name}": Value(entry, self.source) for name, entry in entries.items()
            }
        elif not problems:
            self.values[key] = Value(decoded, self.source)

    def _report(self, problem: str) -> None:
        self.problems.append(f"{self.source}: {problem}")


def build(values: Values, struct: Structure, table: str = "", default: Any = None) -> Any:
    """Return the struct of a table with the values that are set, the others from `default`."""
    parts: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        key = join_key(table, field.name)
        below = {name: each for name, each in values.items() if name.startswith(f"{key}.")}
        inner = table_of(field.type)
        if key in values:
            parts[field.name] = values[key].value
        elif inner is not None and below:
            parts[field.name] = build(below, inner, key, field.default)
        elif below:
            parts[field.name] = {name[len(key) + 1 :]: each.value for name, each in below.items()}
    if isinstance(default, struct):
        return msgspec.structs.replace(default, **parts)
    return struct(**parts)


def find_missing(values: Values, root: Structure = Configuration) -> list[str]:
    """Return the required keys that are not set although others of their table are."""
    begun = {key.rpartition(".")[0] for key in values}
    return [
        field.key
        for field in known_fields(root).values()
        if field.required and field.key not in values and field.key.rpartition(".")[0] in begun
    ]


def describe_found(value: object) -> str:
    """Return what was found, for a message: scalars as they are, others by their kind."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "a list"
    # Python refuses to write whole numbers of more than 4,300 digits.
    number = f"{value:g}" if isinstance(value, float) else f"{str(value)[:50]}"
    return "a table" if isinstance(value, Mapping) else number


def _decode(value: Any, kind: Any, key: str, problems: list[str], *, strict: bool = True) -> Any:
    """Return a decoded value; for an invalid one, add to `problems` and return None."""
    struct = table_of(kind)
    holder = container(alternatives(kind)[0])
    if struct is not None and isinstance(value, Mapping):
        return _decode_struct(value, struct, key, problems)
    if holder is tuple and isinstance(value, (list, tuple)):
        return _decode_list(value, kind, key, problems)
    if holder is dict and isinstance(value, Mapping):
        return _decode_entries(value, kind, key, problems, strict=strict)
    try:
        return _decode_scalar(value, kind, strict=strict)
    except ValueError as error:
        problems.append(f"{key}: {error}")
        return None


def _decode_list(value: Sequence[Any], kind: Any, key: str, problems: list[str]) -> Any:
    names = [item.get("name") if isinstance(item, Mapping) else None for item in value]
    if not value and any(meta.min_length for meta in metas_of(kind)):
        problems.append(f"{key}: the list must not be empty")
    decoded = []
    for at, (name, item) in enumerate(zip(names, value, strict=True)):
        label = shorten(name) if isinstance(name, str) else at
        decoded.append(_decode(item, item_of(kind), f"{key}[{label}]", problems))
        if isinstance(name, str) and name in names[:at]:
            problems.append(f"{key}[{label}]: there is more than one with this name")
    return tuple(decoded)


def _decode_entries(
    value: Mapping[str, Any], kind: Any, key: str, problems: list[str], *, strict: bool
) -> dict[str, Any]:
    """Return the entries of a table with free keys, without the invalid ones."""
    decoded = {}
    for name, each in value.items():
        before = len(problems)
        entry = _decode(each, item_of(kind), f"{key}.{quote_key(name)}", problems, strict=strict)
        if len(problems) == before:
            decoded[name] = entry
        elif find_secrets({name: str(each)}):
            problems[before:] = [f"{key}.{quote_key(name)}: the value is not valid"]
    return decoded


def _decode_struct(
    value: Mapping[str, Any], struct: Structure, key: str, problems: list[str]
) -> Any:
    """Return a table of a list, or an entry of a table with free keys, as a struct."""
    prepare = getattr(struct, "prepare_table", None)
    try:
        raw = prepare(value) if prepare else value
    except ValueError as error:
        problems.append(f"{key}: {error}")
        return None
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    found = [f"{_describe_unknown(name, [*fields])}" for name in raw.keys() - fields.keys()]
    found += [
        f"{name!r} is missing"
        for name, field in fields.items()
        if field.required and name not in raw
    ]
    problems += [f"{key}: {problem}" for problem in found]
    parts = {}
    before = len(problems)
    for name, each in raw.items():
        if name in fields:
            parts[fields[name].name] = _decode(each, fields[name].type, f"{key}.{name}", problems)
    if found or len(problems) > before:
        return None
    try:
        return struct(**parts)
    except ValueError as error:
        problems.append(f"{key}: {error}")
        return None


def _decode_scalar(value: Any, kind: Any, *, strict: bool) -> Any:
    notation = notation_of(kind)
    if notation is not None:
        return _parse(value, notation)
    try:
        decoded = msgspec.convert(value, kind, strict=strict)
    except (msgspec.ValidationError, ValueError):
        decoded = None
    if decoded is None or (isinstance(decoded, float) and not math.isfinite(decoded)):
        raise ValueError(
            f"{describe_found(value)} is not valid; expected {_describe_expected(kind)}"
        )
    return decoded


def _parse(value: Any, notation: Notation) -> Any:
    problem = ""
    if isinstance(value, str):
        try:
            return notation.parse(value)
        except ValueError as error:
            problem = str(error) if notation.explains else ""
    found = "the value" if notation.secret else describe_found(value)
    raise ValueError(
        problem or f"{found} is not a valid {notation.name}; expected {notation.expected}"
    )


def _describe_expected(kind: Any) -> str:
    (only,) = alternatives(kind)
    if container(only) is Literal:
        return " or ".join(map(repr, get_args(only)))
    bounds = [
        f" {word} {bound:,}"
        for meta in metas_of(kind)
        for word, bound in (("above", meta.gt), ("from", meta.ge), ("up to", meta.le))
        if bound is not None
    ]
    name = describe_type(kind)
    zone = " with a time zone, such as 2026-12-01T04:00:00Z" if only is datetime else ""
    return f"{'' if only is bool else 'a '}{name}{' and'.join(bounds)}{zone}"


def _describe_unknown(name: str, known: Sequence[str], table: str = "") -> str:
    where = f" in [{table}]" if table else ""
    return f"unknown key {quote(name)}{where}; {suggest(name, known)}"

"""The keys of the configuration: the sections of model.py as dotted names with their types."""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.notation import Notation

PREFIX = "FLOWHEALTH_"

Structure = type[msgspec.Struct]


class ConfigKey(NamedTuple):
    """A key that can be set: its dotted name, its type, and whether its table requires it."""

    key: str
    type: Any
    required: bool

    @property
    def variable(self) -> str | None:
        """The environment variable that sets it; None for tables."""
        if parts_of(self.type) is not None:
            return None
        return PREFIX + self.key.replace(".", "_").upper()


@cache
def tables(root: Structure = Configuration) -> Mapping[str, Structure]:
    """Return the struct of each table by its dotted name, the top level's ("") first."""
    return _collect_tables("", root)


@cache
def known_fields(root: Structure = Configuration) -> Mapping[str, ConfigKey]:
    """Return every key that is not a table, those of the top level first."""
    fields = {}
    for name, struct in tables(root).items():
        for field in msgspec.structs.fields(struct):
            if table_of(field.type) is None:
                key = join_key(name, field.name)
                fields[key] = ConfigKey(key, field.type, field.required)
    return fields


def join_key(table: str, name: str) -> str:
    """Return the dotted key of `name` in `table`."""
    return f"{table}.{name}" if table else name


def table_of(kind: Any) -> Structure | None:
    """Return the struct of a type that is one, or an optional one."""
    return next(filter(_is_struct, alternatives(kind)), None)


def parts_of(kind: Any) -> Structure | None:
    """Return the struct of the items of a list or of a table with free keys."""
    items = (item for each in alternatives(kind) for item in get_args(each))
    return next((each for item in items for each in alternatives(item) if _is_struct(each)), None)


def alternatives(kind: Any) -> tuple[Any, ...]:
    """Return the types that a type allows, except None: ``int | None`` allows int."""
    origin = get_origin(kind)
    if origin is Annotated:
        return alternatives(get_args(kind)[0])
    if origin in (Union, types.UnionType):
        return tuple(part for each in get_args(kind) for part in alternatives(each))
    return () if kind in (None, type(None)) else (kind,)


def metas_of(kind: Any) -> list[msgspec.Meta]:
    """Return the annotations of a type, or of the one that it makes optional."""
    origin = get_origin(kind)
    if origin is Annotated:
        return [meta for meta in kind.__metadata__ if isinstance(meta, msgspec.Meta)]
    if origin in (Union, types.UnionType):
        return [meta for each in get_args(kind) for meta in metas_of(each)]
    return []


def notation_of(kind: Any) -> Notation | None:
    """Return how the values of a type are written; None if as TOML writes them."""
    found = (meta.extra["notation"] for meta in metas_of(kind) if meta.extra)
    return next(found, None)


def container(kind: Any) -> Any:
    """Return tuple, dict or Literal for a type that is one; otherwise the type itself."""
    return get_origin(kind) or kind


def item_of(kind: Any) -> Any:
    """Return the type of the items of a list, or of the values of a table with free keys."""
    (holder,) = alternatives(kind)
    first, last = get_args(holder)
    return first if last is Ellipsis else last


def write_value(value: Any, kind: Any) -> Any:
    """Return a value as TOML has it: a duration as ``"5 s"``, a struct as a table."""
    notation = notation_of(kind)
    if value is None or notation is not None:
        return notation.write(value) if notation and value is not None else None
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(type(value))
        pairs = ((each, getattr(value, each.name)) for each in fields)
        return {each.encode_name: write_value(part, each.type) for each, part in pairs}
    if isinstance(value, (tuple, list)):
        return [write_value(item, item_of(kind)) for item in value]
    if isinstance(value, dict):
        return {key: write_value(item, item_of(kind)) for key, item in value.items()}
    return value


_WORDS = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    dict: "table",
    datetime: "date and time",
}


def describe_type(kind: Any) -> str:
    """Return the name of a type for messages and the reference: "duration", "list of texts"."""
    notation = notation_of(kind)
    if notation is not None:
        return notation.name
    return " or ".join(dict.fromkeys(_describe_alternative(each) for each in alternatives(kind)))


def _describe_alternative(kind: Any) -> str:
    holder = container(kind)
    if holder is Literal:
        return " or ".join(f"`{word}`" for word in get_args(kind))
    if holder is tuple:
        return f"list of {'tables' if parts_of(kind) else 'texts'}"
    return "table" if _is_struct(kind) else _WORDS.get(holder, "text")


def _collect_tables(name: str, struct: Structure) -> dict[str, Structure]:
    found = {name: struct}
    for field in msgspec.structs.fields(struct):
        inner = table_of(field.type)
        if inner is not None:
            found |= _collect_tables(join_key(name, field.name), inner)
    return found


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)

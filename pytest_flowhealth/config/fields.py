"""Which keys there are: the structs of model.py as dotted keys, tables in tables included."""

from __future__ import annotations

import types
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from pytest_flowhealth.config.model import Configuration

PREFIX = "FLOWHEALTH_"
THRESHOLDS = "thresholds"
"""The one table whose keys are the user's."""

Structure = type[msgspec.Struct]


class Field(NamedTuple):
    """A key that can be set: its dotted name, its type, and whether its table is no use without."""

    key: str
    type: Any
    required: bool

    @property
    def variable(self) -> str | None:
        """The environment variable that sets it; None where a text can't say it."""
        return None if _holds_tables(self.type) else variable(self.key)


def variable(key: str) -> str:
    """Return the variable of a dotted key: ``redis.url`` is FLOWHEALTH_REDIS_URL."""
    return PREFIX + key.replace(".", "_").upper()


@cache
def tables(root: Structure = Configuration) -> Mapping[str, Structure]:
    """Return the struct of each table by its dotted name, the top level's ("") first."""
    return _below("", root)


@cache
def known_fields(root: Structure = Configuration) -> Mapping[str, Field]:
    """Return every key that can be set, top-level ones first; thresholds are apart."""
    found = {}
    for name, struct in tables(root).items():
        for one in msgspec.structs.fields(struct):
            key = joined(name, one.name)
            if key != THRESHOLDS and table_of(one.type) is None:
                found[key] = Field(key, one.type, one.required)
    return found


def names_of(struct: Structure) -> list[str]:
    """Return the names of a struct's keys, tables in it included."""
    return [one.name for one in msgspec.structs.fields(struct)]


def joined(table: str, name: str) -> str:
    """Return the dotted key of `name` in `table`."""
    return f"{table}.{name}" if table else name


def missing(values: Mapping[str, object], root: Structure = Configuration) -> list[str]:
    """Return the required keys that are not set although others of their table are."""
    begun = {key.rpartition(".")[0] for key in values}
    return [
        field.key
        for field in known_fields(root).values()
        if field.required and field.key not in values and field.key.rpartition(".")[0] in begun
    ]


def table_of(kind: Any) -> Structure | None:
    """Return the struct that a key of this type is a table of, if it is one."""
    return next((one for one in alternatives(kind) if _is_struct(one)), None)


def alternatives(kind: Any) -> tuple[Any, ...]:
    """Return the types that a type allows besides None: of ``int | None``, int."""
    origin = get_origin(kind)
    if origin is Annotated:
        return alternatives(get_args(kind)[0])
    if origin in (Union, types.UnionType):
        return tuple(part for one in get_args(kind) for part in alternatives(one))
    return () if kind in (None, type(None)) else (kind,)


def container(kind: Any) -> Any:
    """Return what holds the parts of a type: tuple, dict, Literal; else the type itself."""
    return get_origin(kind) or kind


def told(kind: Any) -> str:
    """Return a type in words, for the reference and for messages."""
    words = dict.fromkeys(_word(one) for one in alternatives(kind))
    return " or ".join(words)


_WORDS = {bool: "true or false", int: "whole number", float: "number", dict: "table"}


def _word(kind: Any) -> str:
    holder = container(kind)
    if holder is Literal:
        return " or ".join(f"`{one}`" for one in get_args(kind))
    if holder in (tuple, list):
        return "list of tables" if _holds_tables(kind) else "list of texts"
    return _WORDS.get(holder, "text")


def parts_of(kind: Any) -> Structure | None:
    """Return the struct that a key of this type is a list of, if it is one."""
    parts = [part for one in alternatives(kind) for part in get_args(one)]
    return next((one for part in parts for one in alternatives(part) if _is_struct(one)), None)


def _holds_tables(kind: Any) -> bool:
    return parts_of(kind) is not None


def _below(name: str, struct: Structure) -> dict[str, Structure]:
    found = {name: struct}
    for one in msgspec.structs.fields(struct):
        inner = table_of(one.type)
        if inner is not None:
            found |= _below(joined(name, one.name), inner)
    return found


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)

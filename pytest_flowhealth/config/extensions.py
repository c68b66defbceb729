"""Find the formats, receivers and fleet sources that other distributions provide as entry points.

The built-in receivers and fleet sources need no entry point: with only them in a configuration,
the metadata of the installed distributions is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_flowhealth.domain.text import one_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

FORMATS = "pytest_flowhealth.formats"
RECEIVERS = "pytest_flowhealth.receivers"
FLEET_SOURCES = "pytest_flowhealth.fleet_sources"

BUILT_IN: Mapping[str, tuple[str, ...]] = {
    FORMATS: (),
    RECEIVERS: ("alertmanager", "apprise", "console", "log", "webhook"),
    FLEET_SOURCES: ("bee-queue", "bull", "bullmq", "command", "http", "prometheus", "redis-swarm"),
}
"""The names of each group that need no entry point."""

_KINDS = {FORMATS: "format", RECEIVERS: "receiver type", FLEET_SOURCES: "fleet source"}

_ROUTING = frozenset({"name", "type", "severities", "components", "remind", "escalate"})
"""The keys of a `[[receivers]]` table that every type has; the others are its own options."""


def require_known(group: str, name: str) -> None:
    """Raise ValueError if there is no extension of this name, or it can't be imported."""
    if name not in BUILT_IN[group]:
        load_extension(group, name)


def load_extension(group: str, name: str) -> Any:
    """Return the object that an entry point names.

    Raises:
        ValueError: There is no such entry point, or it can't be imported.
    """
    found = _find_entries(group)
    if name not in found:
        known = sorted({*found, *BUILT_IN[group]})
        raise ValueError(f"there is no {_KINDS[group]} {name!r}; there are {', '.join(known)}")
    try:
        return found[name].load()
    except (Exception, SystemExit) as error:  # noqa: BLE001  # another distribution's code
        raise ValueError(
            f"{describe(group, found[name])} can't be imported: "
            f"{one_line(f'{type(error).__name__}: {error}')}"
        ) from None


def make_receiver(kind: str, options: Mapping[str, Any]) -> Any:
    """Return the receiver of another distribution, made of its options.

    Raises:
        ValueError: There is none, it can't be imported, or does not accept the options.
    """
    struct = load_extension(RECEIVERS, kind)
    entry = _find_entries(RECEIVERS)[kind]
    is_struct = isinstance(struct, type) and issubclass(struct, msgspec.Struct)
    if not (is_struct and callable(getattr(struct, "send", None))):
        raise ValueError(
            f"{describe(RECEIVERS, entry)} must be a msgspec.Struct class with a method `send`"
        )
    unknown = sorted({*options} - {one.encode_name for one in msgspec.structs.fields(struct)})
    if unknown:
        raise ValueError(f"a receiver of type {kind!r} has no option {', '.join(unknown)}")
    return msgspec.convert(options, struct)


def split_options(tables: object) -> object:
    """Return `[[receivers]]` with the options of other distributions' types in `options`."""
    if not isinstance(tables, list):
        return tables
    return [_split(one) if isinstance(one, dict) else one for one in tables]


def describe(group: str, entry: EntryPoint) -> str:
    """Return what an entry point provides, and which distribution it is from."""
    named = f"the {_KINDS[group]} {entry.name!r}"
    return named if entry.dist is None else f"{named} of the distribution {entry.dist.name}"


def _find_entries(group: str) -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {one.name: one for one in entry_points(group=group)}


def _split(table: dict[str, Any]) -> dict[str, Any]:
    kind = table.get("type")
    if not isinstance(kind, str) or kind in BUILT_IN[RECEIVERS]:
        return table
    common = {key: value for key, value in table.items() if key in _ROUTING}
    return {**common, "options": {key: table[key] for key in table.keys() - _ROUTING}}

"""Find the formats, receivers and fleet sources that other distributions provide as entry points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_flowhealth.config.problems import quote
from pytest_flowhealth.domain.text import one_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

OWN_DISTRIBUTION = "pytest-flowhealth"

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


def require_known(group: str, name: str) -> None:
    """Raise ValueError for a name that nothing provides, that can't be imported, or that is ambiguous."""
    if name in BUILT_IN[group]:
        _find_entry(group, name)
    else:
        load_extension(group, name)


def load_extension(group: str, name: str) -> Any:
    """Return the object that an entry point names.

    Raises:
        ValueError: There is no such entry point, there are several, or it can't be imported.
    """
    entry = _find_entry(group, name)
    if entry is None:
        known = sorted({*(each.name for each in _find_entries(group)), *BUILT_IN[group]})
        raise ValueError(f"there is no {_KINDS[group]} {quote(name)}; there are {', '.join(known)}")
    try:
        return entry.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001  # another distribution's code
        raise ValueError(
            f"{describe(group, entry)} can't be imported: "
            f"{one_line(f'{type(error).__name__}: {error}')}"
        ) from None


def make_receiver(kind: str, options: Mapping[str, Any]) -> Any:
    """Return the receiver of another distribution, made of its options.

    Raises:
        ValueError: There is none, it can't be imported, or does not accept the options.
    """
    struct = load_extension(RECEIVERS, kind)
    is_struct = isinstance(struct, type) and issubclass(struct, msgspec.Struct)
    if not (is_struct and callable(getattr(struct, "send", None))):
        raise ValueError(
            f"the receiver type {kind!r} must be a msgspec.Struct class with a method `send`"
        )
    unknown = sorted({*options} - {field.encode_name for field in msgspec.structs.fields(struct)})
    if unknown:
        raise ValueError(f"a receiver of type {kind!r} has no option {', '.join(unknown)}")
    return msgspec.convert(options, struct)


def describe(group: str, entry: EntryPoint) -> str:
    """Return what an entry point provides, and which distribution it is from."""
    named = f"the {_KINDS[group]} {entry.name!r}"
    return named if entry.dist is None else f"{named} of the distribution {entry.dist.name}"


def _find_entry(group: str, name: str) -> EntryPoint | None:
    """Return the entry point of a name, None if there is none.

    Raises:
        ValueError: Several distributions provide the name, or one provides a built-in one.
    """
    found = [entry for entry in _find_entries(group) if entry.name == name]
    owners = sorted({entry.dist.name if entry.dist else "an unknown one" for entry in found})
    if name in BUILT_IN[group] and found:
        owners.insert(0, OWN_DISTRIBUTION)
    if len(owners) > 1:
        raise ValueError(
            f"the {_KINDS[group]} {name!r} is provided by several distributions: "
            f"{', '.join(owners)}; uninstall one of them, or rename its entry point"
        )
    return found[0] if found else None


def _find_entries(group: str) -> EntryPoints:
    from importlib.metadata import entry_points

    return entry_points(group=group)

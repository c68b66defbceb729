"""The keys that the source redis-swarm reads, each of which can be configured.

The defaults are those of claude-flow-novice: its registry of swarms
(``swarm:index``, ``swarm:status:{status}``, ``swarm:{id}`` with JSON, the archive of ended
ones), its documented hashes for agents and tasks, and its fleets' channel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_flowhealth.errors import CheckFailed

DEFAULTS = {
    "index": "swarm:index",
    "status": "swarm:status:{status}",
    "swarm": "swarm:{id}",
    "agent": "swarm:{id}:agents:{agent}",
    "task": "swarm:{id}:tasks:{task}",
    "archive_index": "swarm:archive:index",
    "archive": "swarm:archive:{id}",
    "events": "fleet:{fleet}:events",
}
"""Each key by its role; what stands in braces varies."""

NEEDED = {
    "status": ("{status}",),
    "swarm": ("{id}",),
    "agent": ("{id}", "{agent}"),
    "task": ("{id}", "{task}"),
    "archive": ("{id}",),
    "events": (),
}
"""What must stand in a key."""

_PART = re.compile(r"\{(\w+)\}")


class SwarmKeys:
    """The keys with what is configured in place of the defaults.

    Args:
        changed: Keys by role.

    Raises:
        CheckFailed: There is no such role, or a key lacks what varies.
    """

    def __init__(self, changed: Mapping[str, str]) -> None:
        for role, key in changed.items():
            if role not in DEFAULTS:
                raise CheckFailed(
                    f"fleet.keys has no role {role[:40]!r}",
                    remedy=f"the roles are {', '.join(DEFAULTS)}",
                )
            for part in NEEDED.get(role, ()):
                if part not in key:
                    raise CheckFailed(f"fleet.keys: {role} must contain {part}")
        self._keys = {**DEFAULTS, **changed}

    def name(self, role: str, **parts: str) -> str:
        """Return a key."""
        return _PART.sub(lambda part: parts.get(part[1], part[0]), self._keys[role])

    def pattern(self, role: str) -> str:
        """Return the glob that all keys of a role match."""
        pieces = _PART.split(self._keys[role])
        plain = [re.sub(r"([\\*?\[\]])", r"\\\1", piece) for piece in pieces[::2]]
        return "*".join(plain)

    def parts(self, role: str, key: str) -> dict[str, str] | None:
        """Return what varies in a key of a role, None where it is not of that role."""
        pieces = _PART.split(self._keys[role])
        plain, names = pieces[::2], pieces[1::2]
        groups = [f"(?P<{name}>[^:]+)" for name in names]
        expression = re.escape(plain[0])
        for group, piece in zip(groups, plain[1:], strict=True):
            expression += group + re.escape(piece)
        match = re.fullmatch(expression, key)
        return match.groupdict() if match else None

"""The schedule of components; pure, time is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

DEFAULTS: Mapping[str, float] = {
    "fleet": 60.0,
    "redis": 60.0,
    "dashboard": 60.0,
    "npm": 3_600.0,
    "feedback": 3_600.0,
    "wasm": 86_400.0,
}
"""Seconds between two looks at a component where nothing else is said."""

REST = 300.0
"""The same of every other component."""

COSTLY = ("npm", "feedback", "wasm")
"""What `--health-all` brings along keeps at least its own interval."""


def choose_interval(
    component: str, general: float | None, named: Mapping[str, float], *, all_of_them: bool = False
) -> float:
    """Return a component's interval in seconds.

    Args:
        component: Its name.
        general: That of `--interval`, None where none was given.
        named: Those of the configuration.
        all_of_them: Whether `--health-all` chose it, not somebody by its name.
    """
    if component in named:
        return named[component]
    usual = DEFAULTS.get(component, REST)
    if general is None:
        return usual
    return max(general, usual) if all_of_them and component in COSTLY else general


class Schedule:
    """When each component is due next; a slot that comes while a round runs is left out, and counted.

    What was left out is looked at by the next round that begins, whatever that one is for: else a
    component whose slots always come while another's round runs would never be looked at.
    """

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._intervals: dict[str, float] = {}
        self._missed: set[str] = set()
        self.late = 0

    def plan(self, intervals: Mapping[str, float], since: float) -> None:
        """Set the components and their intervals from `since` on; unchanged intervals keep their slots."""
        for component, seconds in intervals.items():
            if self._intervals.get(component) != seconds:
                self._next[component] = since + seconds
        self._intervals = dict(intervals)
        self._next = {name: at for name, at in self._next.items() if name in intervals}

    def due(self, now: float) -> frozenset[str]:
        """Return what is to be looked at now, and go on to the slot after it."""
        found = self._passed(now)
        for name, slots in found.items():
            self._next[name] += slots * self._intervals[name]
            self.late += slots - 1
        if not found:
            return frozenset()
        missed, self._missed = self._missed & self._next.keys(), set()
        return frozenset(found) | missed

    def hurry(self, component: str, now: float) -> None:
        """Let a component be due now, where it is looked at; its slots go on from here."""
        if component in self._next:
            self._next[component] = min(self._next[component], now)

    def skip(self, now: float) -> int:
        """Leave out what came due while a round runs; return how many slots that were."""
        found = self._passed(now)
        for name, slots in found.items():
            self._next[name] += slots * self._intervals[name]
            self.late += slots
        self._missed |= found.keys()
        return sum(found.values())

    def next(self) -> float | None:
        """Return when something is due next, None where nothing ever is."""
        return min(self._next.values(), default=None)

    @property
    def components(self) -> Iterable[str]:
        """What is looked at."""
        return self._intervals.keys()

    @property
    def intervals(self) -> Mapping[str, float]:
        """Each component's interval, in seconds."""
        return self._intervals

    @property
    def shortest(self) -> float:
        """The shortest of the intervals; three of them without a round's end are too many."""
        return min(self._intervals.values(), default=REST)

    def _passed(self, now: float) -> dict[str, int]:
        return {
            name: int((now - at) // self._intervals[name]) + 1
            for name, at in self._next.items()
            if at <= now
        }

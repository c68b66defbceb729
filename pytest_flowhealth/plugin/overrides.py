"""Applies thresholds that are changed without touching code; the nearest wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

import msgspec

from pytest_flowhealth.config.load import parse_threshold_option
from pytest_flowhealth.config.model import Limits
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.checks import CheckSpec
from pytest_flowhealth.domain.statistics import DEFAULT
from pytest_flowhealth.domain.thresholds import Threshold, changed
from pytest_flowhealth.domain.units import parse_size
from pytest_flowhealth.errors import UsageError


class Change(NamedTuple):
    """Other limits for the threshold `name`; `strict` where a name without a match is a mistake."""

    name: str
    limits: Limits
    source: str
    strict: bool


def changes(
    target: Target, options: Sequence[str], *, strict: bool
) -> tuple[list[Change], list[str]]:
    """Return every change, the farthest first, and what is wrong with the options.

    `strict`: everything is collected, so that a name of the configuration which
    matches nothing is a mistake; one on the command line always is.
    """
    memory = target.config.system.memory
    found = [
        Change(
            "system.memory_available",
            Limits(fail=parse_size(memory), unit="MiB"),
            target.sources.get("system.memory", "default"),
            strict=False,
        )
    ]
    for name, limits in target.config.thresholds.items():
        source = target.sources.get(f"thresholds.{name}", "configuration")
        found.append(Change(name, limits, source, strict))
    for name, limits in target.environment_thresholds.items():
        found.append(Change(name, limits, "environment FLOWHEALTH_THRESHOLDS", strict))
    mistakes = []
    for text in options:
        try:
            name, limits = parse_threshold_option(text)
        except UsageError as error:
            mistakes.append(f"--health-threshold: {error}")
        else:
            found.append(Change(name, limits, "command line", strict=True))
    return found, mistakes


def full_name(declaration: CheckSpec, threshold: Threshold) -> str:
    """Return the name by which a threshold is changed: ``redis.command.p95``."""
    return f"{declaration.component}.{threshold.name}"


def names(declaration: CheckSpec, threshold: Threshold) -> tuple[str, ...]:
    """Return every name by which a threshold is found: a series' without a statistic is its median."""
    name = full_name(declaration, threshold)
    return (name,) if threshold.statistic else (name, f"{name}.{DEFAULT}")


def unmatched(found: Iterable[Change], declarations: Iterable[CheckSpec]) -> list[str]:
    """Return a mistake for each strict change that matches no declared threshold."""
    declared = [(one, threshold) for one in declarations for threshold in one.thresholds]
    known = sorted({full_name(*one) for one in declared})
    found_by = {name for one in declared for name in names(*one)}
    return [
        f"{change.source}: no threshold is called {change.name!r}; {nearest(change.name, known)}"
        for change in found
        if change.strict and change.name not in found_by
    ]


def nearest(name: str, known: Sequence[str]) -> str:
    """Return a hint at the names of `known` that `name` may have meant."""
    close = get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known are {', '.join(known)}" if known else "there is none at all"


def apply(
    declaration: CheckSpec, by_name: Mapping[str, Sequence[Change]], mistakes: list[str]
) -> CheckSpec:
    """Return `declaration` with its thresholds changed; note limits that do not fit."""
    if not declaration.thresholds:
        return declaration
    thresholds = []
    for threshold in declaration.thresholds:
        wanted = names(declaration, threshold)
        for change in (one for name in wanted for one in by_name.get(name, ())):
            limits = change.limits
            try:
                threshold = changed(  # noqa: PLW2901  # each change builds on the one before
                    threshold,
                    warn=limits.warn,
                    fail=limits.fail,
                    unit=limits.unit,
                    source=change.source,
                )
            except ValueError as error:
                text = f"{change.source}: {change.name}: {error}"
                mistakes.extend([] if text in mistakes else [text])
        thresholds.append(threshold)
    return msgspec.structs.replace(declaration, thresholds=tuple(thresholds))

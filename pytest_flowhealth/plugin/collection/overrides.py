"""Apply threshold overrides: command line, environment, configuration; the nearest wins."""

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
from pytest_flowhealth.domain.thresholds import Threshold, override_threshold, split_name
from pytest_flowhealth.domain.units import convert
from pytest_flowhealth.errors import UsageError


class Override(NamedTuple):
    """Other limits for the threshold `name`; `strict` where a name without a match is a mistake."""

    name: str
    limits: Limits
    source: str
    strict: bool


def read_overrides(
    target: Target, options: Sequence[str], *, strict: bool
) -> tuple[list[Override], list[str]]:
    """Return every change, the farthest first, and what is wrong with the options.

    `strict`: everything is collected, so that a name of the configuration which
    matches nothing is a mistake; one on the command line always is.
    """
    memory = target.config.system.memory
    found = [
        Override(
            "system.memory_available",
            Limits(fail=convert(memory, "B", "MiB"), unit="MiB"),
            target.sources.get("system.memory", "default"),
            strict=False,
        )
    ]
    for name, limits in target.config.thresholds.items():
        source = target.sources.get(f"thresholds.{name}", "configuration")
        found.append(Override(name, limits, source, strict))
    for name, limits in target.environment_thresholds.items():
        found.append(Override(name, limits, "environment FLOWHEALTH_THRESHOLDS", strict))
    mistakes = []
    for text in options:
        try:
            name, limits = parse_threshold_option(text)
        except UsageError as error:
            mistakes.append(f"--health-threshold: {error}")
        else:
            found.append(Override(name, limits, "command line", strict=True))
    return found, mistakes


def make_name(spec: CheckSpec, threshold: Threshold) -> str:
    """Return the name by which a threshold is changed: ``redis.command.p95``."""
    return f"{spec.component}.{threshold.name}"


def make_names(spec: CheckSpec, threshold: Threshold) -> tuple[str, ...]:
    """Return every name by which a threshold is found: a series' without a statistic is its median."""
    name = make_name(spec, threshold)
    return (name,) if threshold.statistic else (name, f"{name}.{DEFAULT}")


def find_unmatched(found: Iterable[Override], declared: Iterable[str]) -> list[str]:
    """Return a mistake for each strict change that matches none of the declared names."""
    known = sorted(set(declared))
    medians = {f"{name}.{DEFAULT}" for name in known if split_name(name)[1] is None}
    return [
        f"{change.source}: no threshold is called {change.name!r}; {suggest_names(change.name, known)}"
        for change in found
        if change.strict and change.name not in medians.union(known)
    ]


def suggest_names(name: str, known: Sequence[str]) -> str:
    """Return a hint at the names of `known` that `name` may have meant."""
    close = get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known are {', '.join(known)}" if known else "there is none at all"


def apply_overrides(
    spec: CheckSpec, by_name: Mapping[str, Sequence[Override]], mistakes: list[str]
) -> CheckSpec:
    """Return `spec` with its thresholds changed; note limits that do not fit."""
    if not spec.thresholds:
        return spec
    thresholds = []
    for threshold in spec.thresholds:
        wanted = make_names(spec, threshold)
        for change in (override for name in wanted for override in by_name.get(name, ())):
            limits = change.limits
            try:
                threshold = override_threshold(  # noqa: PLW2901  # each change builds on the one before
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
    return msgspec.structs.replace(spec, thresholds=tuple(thresholds))

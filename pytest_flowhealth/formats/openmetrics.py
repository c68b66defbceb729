"""OpenMetrics text 1.0: for scrapers, and for node_exporter's textfile collector.

https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from pytest_flowhealth.verdict.exposition import (
    OUTCOMES,
    PREFIX,
    STATUSES,
    WORDS,
    figures,
    labels_of,
    name_of,
)
from pytest_flowhealth.verdict.report import Health
from pytest_flowhealth.verdict.status import Outcome, Status

Labels = tuple[tuple[str, str], ...]


class Family(msgspec.Struct):
    """One metric family: what it is, its unit, and its samples."""

    kind: str
    help: str
    unit: str = ""
    samples: list[tuple[Labels, float]] = []


def render(health: Health) -> str:
    """Return a run as OpenMetrics text; labels: target, component, check, statistic."""
    where = (("target", health.target.name or ""),)
    lines: list[str] = []
    for name, family in _families(health, where).items():
        lines += _family(name, family)
    return "\n".join([*lines, "# EOF", ""])


def _families(health: Health, where: Labels) -> dict[str, Family]:
    found = {
        f"{PREFIX}_status": Family(
            "stateset", "The verdict.", samples=[*_states(health.status, where, "status")]
        ),
        f"{PREFIX}_status_code": Family(
            "gauge",
            "The verdict: 0 healthy, 1 degraded, 2 unhealthy, 3 unknown.",
            samples=[(where, STATUSES[health.status])],
        ),
        f"{PREFIX}_round_duration_seconds": Family(
            "gauge", "How long the run took.", "seconds", [(where, health.duration)]
        ),
        f"{PREFIX}_last_round_timestamp_seconds": Family(
            "gauge",
            "When the run ended, since 1970.",
            "seconds",
            [(where, health.started.timestamp() + health.duration)],
        ),
        f"{PREFIX}_component_status": Family(
            "gauge",
            "A component: 0 healthy, 1 degraded, 2 unhealthy, 3 unknown.",
            samples=[
                ((*where, ("component", name)), STATUSES[one.status])
                for name, one in health.components.items()
                if one.status is not None
            ],
        ),
        f"{PREFIX}_check_status": Family(
            "gauge",
            "A check: 0 pass, 1 warn, 2 fail, 3 unknown; absent where it was skipped.",
            samples=[
                ((*where, ("component", one.component), ("check", one.id)), OUTCOMES[one.outcome])
                for one in health.checks
                if one.outcome is not Outcome.SKIP
            ],
        ),
    }
    return found | _measurements(health, where)


def _measurements(health: Health, where: Labels) -> dict[str, Family]:
    found: dict[str, Family] = {}
    seen: dict[str, set[Labels]] = defaultdict(set)
    for check in health.checks:
        brackets = check.id[check.id.index("[") :] if "[" in check.id else ""
        for one in check.measurements:
            metric = f"{check.component}.{one.name}{brackets}"
            name = name_of(metric, one.unit)
            for statistic, value in figures(one):
                labels = (*where, *labels_of(metric, check.component, statistic))
                if labels in seen[name]:
                    continue  # a series is there once
                seen[name].add(labels)
                help_ = f"What the checks of {check.component} measured: {one.name}."
                family = found.setdefault(name, Family("gauge", help_, WORDS.get(one.unit, "")))
                family.samples.append((labels, value))
    return found


def _states(status: Status, where: Labels, name: str) -> Iterator[tuple[Labels, float]]:
    for one in Status:
        yield (*where, (f"{PREFIX}_{name}", one.value)), float(one is status)


def _family(name: str, family: Family) -> Iterator[str]:
    if not family.samples:
        return
    yield f"# TYPE {name} {family.kind}"
    if family.unit and name.endswith(f"_{family.unit}"):
        yield f"# UNIT {name} {family.unit}"
    yield f"# HELP {name} {_escaped(family.help)}"
    for labels, value in family.samples:
        yield f"{name}{_labels(labels)} {_number(value)}"


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{told}}}" if told else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

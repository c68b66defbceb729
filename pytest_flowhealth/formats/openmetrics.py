"""OpenMetrics text 1.0: for scrapers, and for node_exporter's textfile collector.

https://prometheus.io/docs/specs/om/open_metrics_spec/

That collector reads the older text format of Prometheus: # UNIT and # EOF are comments there, and it
rejects a file with a type that it does not know, such as `stateset` and `info`. Therefore every family
here is a gauge, including the one for the states.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from pytest_flowhealth.domain.metric_names import (
    HELP,
    STATE,
    Labels,
    Sample,
    find_origin_labels,
    find_unit_word,
    iterate_samples,
)
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.formats.figures import escape_surrogates


def render(health: Report) -> str:
    """Return a run as OpenMetrics text; labels: host, target, component, check, statistic."""
    where = find_origin_labels(health)
    families: dict[str, list[Sample]] = defaultdict(list)
    for sample in (*iterate_samples(health, where), *_iterate_states(health, where)):
        families[sample.name].append(sample)
    lines = [line for name, samples in families.items() for line in _render_family(name, samples)]
    return "\n".join([*lines, "# EOF", ""])


def _iterate_states(health: Report, where: Labels) -> Iterator[Sample]:
    for status in Status:
        labels = (*where, ("state", status.value))
        yield Sample(STATE, labels, float(status is health.status), 0.0)


def _render_family(name: str, samples: list[Sample]) -> Iterator[str]:
    yield f"# TYPE {name} gauge"
    if unit := find_unit_word(name):
        yield f"# UNIT {name} {unit}"
    component = dict(samples[0].labels).get("component", "")
    yield f"# HELP {name} {HELP.get(name) or f'Measured by the checks of {component}.'}"
    for sample in samples:
        yield f"{name}{_render_labels(sample.labels)} {_format_number(sample.value)}"


def _render_labels(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{_escape(value)}"' for name, value in labels if value)
    return f"{{{pairs}}}" if pairs else ""


def _format_number(value: float) -> str:
    if math.isinf(value):  # in base units, too large for a float
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _escape(text: str) -> str:
    text = str(escape_surrogates(text))
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

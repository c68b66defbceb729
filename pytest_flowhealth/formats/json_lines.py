"""JSON lines: an object for the run, then one for each check, for jq, Loki, Elasticsearch and the like.

`python -m pytest_flowhealth.formats.json_lines` prints the JSON Schema of a line.
"""

from __future__ import annotations

import datetime
from typing import Any

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.report import SCHEMA, HostInfo, Report, Summary, TargetInfo
from pytest_flowhealth.domain.root_causes import Component
from pytest_flowhealth.domain.run_history import HistoryEntry, RunComparison, Trend
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.formats.figures import escape_surrogates


class RunLine(msgspec.Struct, frozen=True, tag="run", tag_field="kind"):
    """The first line: the report's `health` without its checks."""

    status: Status
    exit_code: int
    reasons: tuple[str, ...]
    started: datetime.datetime
    duration: float
    target: TargetInfo
    host: HostInfo
    summary: Summary
    components: dict[str, Component]
    not_asked: tuple[str, ...] = ()
    trends: tuple[Trend, ...] = ()
    comparisons: tuple[RunComparison, ...] = ()
    history: HistoryEntry | None = None
    deselected: int = 0
    schema: str = SCHEMA


class CheckLine(
    CheckResult, frozen=True, kw_only=True, omit_defaults=True, tag="check", tag_field="kind"
):
    """A line for each check: as in the report, with the run it belongs to.

    `started` is that of the run; `host` and `target` are names.
    """

    started: datetime.datetime
    host: str
    target: str


def render(health: Report) -> str:
    """Return a run as JSON lines."""
    fields = {name: getattr(health, name) for name in RunLine.__struct_fields__}
    lines: list[RunLine | CheckLine] = [RunLine(**fields)]
    lines += [_of_check(check, health) for check in health.checks]
    return "".join(f"{_encode(line)}\n" for line in lines)


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a line."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pytest-flowhealth JSON line",
        **msgspec.json.schema(RunLine | CheckLine),
    }


def _of_check(check: CheckResult, health: Report) -> CheckLine:
    fields = {name: getattr(check, name) for name in CheckResult.__struct_fields__}
    return CheckLine(
        **fields,
        started=health.started,
        host=health.host.name,
        target=health.target.name or health.target.path,
    )


def _encode(line: RunLine | CheckLine) -> str:
    return msgspec.json.encode(escape_surrogates(msgspec.to_builtins(line))).decode()


if __name__ == "__main__":
    import sys

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n")

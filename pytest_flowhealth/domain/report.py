"""The JSON report's types; its JSON Schema is generated from them.

The document is what pytest-json-report 1.5 writes (see its README, section
"Format") plus the key `health`. `python -m pytest_flowhealth.domain.report`
prints the schema that the package ships as ``report.schema.json``.
"""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.root_causes import Component
from pytest_flowhealth.domain.run_history import Comparison, Remembered, Trend
from pytest_flowhealth.domain.status import Outcome, Status

SCHEMA: Literal["flowhealth/1"] = "flowhealth/1"
"""The value of `health.schema`: changes when a reader would have to."""


class TargetInfo(msgspec.Struct, frozen=True):
    """The application looked at; None where its package.json can't tell.

    `instance` tells one checkout from another.
    """

    name: str | None
    version: str | None
    path: str
    instance: str | None = None


class Host(msgspec.Struct, frozen=True):
    """Where the run took place; `cpus` are those of the machine."""

    name: str
    system: str
    release: str
    machine: str
    python: str
    cpus: int | None


class Summary(msgspec.Struct, frozen=True, rename={"passed": "pass"}):
    """How many checks ended how."""

    passed: int = 0
    warn: int = 0
    fail: int = 0
    unknown: int = 0
    skip: int = 0


def make_summary(counts: Mapping[Outcome, int]) -> Summary:
    """Return how many checks ended how, from the counts of a verdict."""
    return msgspec.convert({outcome.value: count for outcome, count in counts.items()}, Summary)


class Report(msgspec.Struct, frozen=True):
    """The verdict: `duration` in seconds, `started` RFC 3339 in UTC, `reasons` worst first."""

    status: Status
    exit_code: int
    reasons: tuple[str, ...]
    started: datetime.datetime
    duration: float
    target: TargetInfo
    host: Host
    summary: Summary
    components: dict[str, Component]
    checks: tuple[CheckResult, ...]
    not_asked: tuple[str, ...] = ()
    trends: tuple[Trend, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    history: Remembered | None = None
    deselected: int = 0
    schema: Literal["flowhealth/1"] = SCHEMA


class Document(msgspec.Struct, frozen=True):
    """The whole report; all but `health` as pytest-json-report defines it."""

    created: float
    duration: float
    exitcode: int
    root: str
    environment: dict[str, Any]
    summary: dict[str, int]
    tests: tuple[dict[str, Any], ...]
    health: Report


def schema() -> dict[str, Any]:
    """Return the report's JSON Schema (draft 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pytest-flowhealth report",
        **_dedent_descriptions(msgspec.json.schema(Document)),
    }


def _dedent_descriptions(node: Any) -> Any:
    """Return a schema whose descriptions are indented as Python 3.13 does, on every version."""
    if isinstance(node, list):
        return [_dedent_descriptions(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: inspect.cleandoc(value)
        if key == "description" and isinstance(value, str)
        else _dedent_descriptions(value)
        for key, value in node.items()
    }


def schema_text() -> str:
    """Return the schema as it is shipped."""
    return (
        msgspec.json.format(msgspec.json.encode(schema(), order="sorted"), indent=2).decode() + "\n"
    )


if __name__ == "__main__":
    import sys

    sys.stdout.write(schema_text())

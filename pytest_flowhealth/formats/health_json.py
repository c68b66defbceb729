"""health+json: https://datatracker.ietf.org/doc/html/draft-inadarei-api-health-check-06 ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.formats.figures import escape_surrogates, iterate_figures

MEDIA_TYPE = "application/health+json"

_WORDS = {
    Status.HEALTHY: "pass",
    Status.DEGRADED: "warn",
    # The draft has no status for unknown; a load balancer must not treat it as healthy.
    Status.UNKNOWN: "fail",
    Status.UNHEALTHY: "fail",
}
_OUTCOMES = {
    Outcome.PASS: "pass",
    Outcome.WARN: "warn",
    Outcome.FAIL: "fail",
    Outcome.UNKNOWN: "fail",
}


_TYPES = {"redis": "datastore", "system": "system"}
"""The draft's types of components; every other is a `component`."""


def render(health: Report) -> str:
    """Return a run as health+json; skipped checks are notes."""
    return msgspec.json.encode(escape_surrogates(document(health))).decode() + "\n"


def document(health: Report) -> dict[str, Any]:
    """Return the members of the document; a skipped check has no status, and is a note."""
    found: dict[str, Any] = {"status": _WORDS[health.status]}
    if health.target.version is not None:
        found["version"] = health.target.version
    if health.target.name is not None:
        found["serviceId"] = health.target.name
    found["description"] = f"{health.status.value}, as pytest-flowhealth judges"
    if health.reasons and health.status is not Status.HEALTHY:
        found["output"] = "; ".join(health.reasons)
    skipped = [check for check in health.checks if check.outcome is Outcome.SKIP]
    if skipped:
        found["notes"] = [f"{check.id} was skipped: {check.message}" for check in skipped]
    time = health.started.isoformat().replace("+00:00", "Z")
    checks: dict[str, list[dict[str, Any]]] = {}
    for check in health.checks:
        if check.outcome in _OUTCOMES:
            for key, result in _checks(check, time):
                checks.setdefault(key, []).append(result)
    return found | {"checks": checks}


def _checks(check: CheckResult, time: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a check's measurements, those with limits with their own status, and the check itself."""
    common: dict[str, Any] = {
        "componentId": check.id,
        "componentType": _TYPES.get(check.component, "component"),
        "time": time,
    }
    output = {"output": check.message} if check.message else {}
    for reading in iterate_figures(check):
        result: dict[str, Any] = {"observedValue": reading.value, "observedUnit": reading.unit}
        if reading.judged is not None:
            word = _OUTCOMES.get(reading.judged.outcome, "fail")
            result |= {"status": word} | (output if word != "pass" else {})
        yield _key(check.component, reading.name), common | result
    # The check may have a worse status than its measurements.
    word = _OUTCOMES[check.outcome]
    name = check.id.removeprefix(f"{check.component}.")
    yield (
        _key(check.component, name),
        common | {"status": word} | (output if word != "pass" else {}),
    )


def _key(component: str, name: str) -> str:
    """Return the key `component:measurement`; other colons are replaced."""
    return f"{component.replace(':', '_')}:{name.replace(':', '_')}"

"""health+json: https://datatracker.ietf.org/doc/html/draft-inadarei-api-health-check-06 ."""

from __future__ import annotations

from typing import Any

import msgspec

from pytest_flowhealth.verdict.check import CheckResult
from pytest_flowhealth.verdict.report import Health
from pytest_flowhealth.verdict.status import Outcome, Status

MEDIA_TYPE = "application/health+json"

_WORDS = {
    Status.HEALTHY: "pass",
    Status.DEGRADED: "warn",
    # The draft has no word for what is not known; a balancer must not take it for well.
    Status.UNKNOWN: "fail",
    Status.UNHEALTHY: "fail",
}
_OUTCOMES = {
    Outcome.PASS: "pass",
    Outcome.WARN: "warn",
    Outcome.FAIL: "fail",
    Outcome.UNKNOWN: "fail",
}


def render(health: Health) -> str:
    """Return a run as health+json; what does not apply is left out."""
    return msgspec.json.encode(document(health)).decode() + "\n"


def document(health: Health) -> dict[str, Any]:
    """Return it as the document's members."""
    found: dict[str, Any] = {"status": _WORDS[health.status]}
    if health.target.version is not None:
        found["version"] = health.target.version
    if health.target.name is not None:
        found["serviceId"] = health.target.name
    found["description"] = f"{health.status.value}, as pytest-flowhealth judges"
    if health.reasons:
        found["output"] = "; ".join(health.reasons)
    time = health.started.isoformat().replace("+00:00", "Z")
    checks: dict[str, list[dict[str, Any]]] = {}
    for check in health.checks:
        if check.outcome in _OUTCOMES:
            for key, one in _checks(check, time):
                checks.setdefault(key, []).append(one)
    return found | {"checks": checks}


def _checks(check: CheckResult, time: str) -> list[tuple[str, dict[str, Any]]]:
    """Return a check's figures, each with its own verdict; a check without any, itself."""
    common: dict[str, Any] = {"componentId": check.id, "time": time}
    if check.message and check.outcome is not Outcome.PASS:
        common["output"] = check.message
    found = []
    for one in check.thresholds:
        if one.observed is not None:
            told = {"observedValue": one.observed, "observedUnit": one.unit}
            status = {"status": _OUTCOMES.get(one.outcome, "fail")}
            found.append((f"{check.component}:{one.name}", common | told | status))
    # The check itself may be worse than its figures.
    name = check.id.removeprefix(f"{check.component}.")
    found.append((f"{check.component}:{name}", common | {"status": _OUTCOMES[check.outcome]}))
    return found

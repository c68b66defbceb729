"""Evaluate check results, rules and the monitor's own state into observations for the alert engine."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from urllib.parse import urljoin, urlsplit

from pytest_flowhealth.alerts.engine import AlertInfo, Observation
from pytest_flowhealth.alerts.recent_readings import RecentReadings
from pytest_flowhealth.alerts.rules import Condition, RuleResult, format_metric, judge
from pytest_flowhealth.alerts.state import Policy
from pytest_flowhealth.config.alerts import Alerts
from pytest_flowhealth.domain.alerting import Alerting, Severity
from pytest_flowhealth.domain.checks import CheckResult, unit_suffix
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.domain.text import format_number

ROUND = "monitor.round"
"""The alert of a round that could not be run, or did not come to its end."""

DELIVERY = "monitor.delivery"
"""The alert of a receiver that refused a message."""

PART = "monitor.part"
"""The alert of a part of the monitor that failed and was started again."""

_DEFAULT = Alerting()


def evaluate_checks(
    checks: Sequence[CheckResult],
    settings: Alerts,
    blocked: Mapping[str, Iterable[str]] | None = None,
    *,
    over: bool,
) -> list[Observation]:
    """Return what checks say.

    Args:
        checks: Those that have ended.
        settings: The configuration's.
        blocked: By a failed check, those that it will block.
        over: Whether the round is: before that, a pass may still be doubted, and says nothing.
    """
    waiting: dict[str, list[str]] = defaultdict(list)
    for root, names in (blocked or {}).items():
        waiting[root] += names
    for check in checks:
        if check.blocked_by is not None:
            waiting[check.blocked_by].append(check.id)
    found = []
    for check in checks:
        breached = _is_breached(check)
        if over or breached:
            found.append(
                _evaluate_check(check, breached, settings, tuple(sorted({*waiting[check.id]})))
            )
    return found


def evaluate_round(problems: Sequence[str], settings: Alerts) -> Observation:
    """Return what a round's own problems say: that it was not run, or not to its end."""
    summary = "; ".join(problems) or "the round was run"
    return _evaluate_monitor(ROUND, bool(problems), summary, "pytest --health", settings)


def evaluate_delivery(refusals: Mapping[str, str], settings: Alerts) -> Observation:
    """Return what receivers' refusals say: that somebody does not get alerts.

    Args:
        refusals: Why receivers refused their last message, by name.
        settings: The configuration's.
    """
    reasons = "; ".join(f"{name} refused it: {why}" for name, why in sorted(refusals.items()))
    summary = f"a message was not accepted: {reasons}" if reasons else "messages are accepted"
    return _evaluate_monitor(DELIVERY, bool(refusals), summary, "flowhealth alerts test", settings)


def evaluate_parts(failing: Mapping[str, str], settings: Alerts) -> Observation:
    """Return what failures inside the monitor say: that something is not watched for some time.

    Args:
        failing: Why parts of the monitor have failed lately, by name.
        settings: The configuration's.
    """
    reasons = "; ".join(f"{part} failed: {why}" for part, why in sorted(failing.items()))
    summary = reasons or "every part of the monitor runs"
    return _evaluate_monitor(
        PART, bool(failing), summary, "tail .flowhealth/logs/error.log", settings
    )


def _evaluate_monitor(
    name: str, breached: bool, summary: str, remedy: str, settings: Alerts
) -> Observation:
    """Return the observation of an alert about the monitor itself, which fires at once."""
    subject = AlertInfo(
        name=name,
        kind="monitor",
        component="monitor",
        severity="critical",
        summary=summary,
        remedy=remedy,
        runbook=make_runbook_link(settings, name),
    )
    return Observation(subject, breached, make_policy(settings, 0.0, None))


def evaluate_rules(
    rules: Iterable[Condition],
    series: RecentReadings,
    fresh: Collection[str],
    settings: Alerts,
    times: tuple[float, float],
) -> list[Observation]:
    """Return what rules say of what was measured.

    Args:
        rules: The rules.
        series: What was measured.
        fresh: The metrics that were measured since the last time: of others nothing new is known.
        settings: The configuration's.
        times: Now, and since when anything could have been measured.
    """
    return [
        _evaluate_rule(rule, result, settings)
        for rule in rules
        for result in judge(rule, series, *times)
        if result.metric in fresh or rule.absent is not None
    ]


def make_policy(settings: Alerts, held: float, cooldown: float | None) -> Policy:
    """Return the policy of an alert, with the configuration's defaults; in seconds."""
    return Policy(
        held=held,
        cooldown=settings.cooldown if cooldown is None else cooldown,
        flap_changes=settings.flap_changes,
        flap_window=settings.flap_window,
    )


def make_runbook_link(settings: Alerts, name: str, own: str | None = None) -> str | None:
    """Return the absolute URL of what to do about an alert; None if none is configured.

    Args:
        settings: The configuration's.
        name: The alert's; its section of the runbook is linked to as a heading of Markdown.
        own: The link of the check or rule, absolute or relative to the runbook.
    """
    base = settings.runbook_url
    if own:
        link = urljoin(base or "", own)
        return link if urlsplit(link).scheme else None
    if base is None or "#" in base:
        return base
    return f"{base}#{re.sub(r'[^a-z0-9_-]', '', name.partition('[')[0].lower())}"


def _is_breached(check: CheckResult) -> bool | None:
    """Return whether a check's alert holds: a skip says nothing, nor does what is unknown by itself."""
    if check.outcome.value in (check.alert or _DEFAULT).on:
        return True
    return None if check.outcome in (Outcome.SKIP, Outcome.UNKNOWN) else False


def _evaluate_check(
    check: CheckResult, breached: bool | None, settings: Alerts, blocked: tuple[str, ...]
) -> Observation:
    alerting = check.alert or _DEFAULT
    subject = AlertInfo(
        name=check.id,
        kind="check",
        component=check.component,
        severity=alerting.severity or _choose_severity(check),
        summary=check.message or f"{check.id} is {check.outcome.value}",
        remedy=check.remedy,
        blocked=blocked,
        runbook=make_runbook_link(settings, check.id, alerting.runbook),
    )
    return Observation(subject, breached, make_policy(settings, alerting.after, alerting.cooldown))


def _choose_severity(check: CheckResult) -> Severity:
    return "critical" if check.critical and check.outcome is Outcome.FAIL else "warning"


def _evaluate_rule(rule: Condition, judged: RuleResult, settings: Alerts) -> Observation:
    _, bracket, which = judged.metric.partition("[")
    spelled = format_metric(judged.metric, rule.statistic)
    value = (
        "" if judged.value is None else f"{format_number(judged.value)}{unit_suffix(judged.unit)}"
    )
    subject = AlertInfo(
        name=f"{rule.name}{bracket}{which}",
        kind="rule",
        component=rule.component,
        severity=rule.severity,
        summary=f"{rule.summary}: {spelled} is {value}, {rule.limit}"
        if rule.absent is None
        else f"{rule.summary}: {spelled} has {rule.limit}",
        metric=judged.metric,
        value=judged.value,
        unit=judged.unit,
        limit=rule.limit,
        remedy=rule.remedy,
        runbook=make_runbook_link(settings, rule.name, rule.runbook),
    )
    return Observation(subject, judged.breached, make_policy(settings, rule.held, rule.cooldown))

"""The status of every component, derived once from the rounds; page, endpoints and alerts read only it.

A round checks the components that are due; the others keep their last results. Three rules make the
state say less than the last results: a check that was blocked by one that passes again is unknown, a
component that was not checked for three intervals is unknown, and a round that broke down leaves what
it was to check unknown.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.report import Report, make_summary
from pytest_flowhealth.domain.root_causes import Component, RunProblem, derive_verdict
from pytest_flowhealth.domain.status import Outcome, Status, worst
from pytest_flowhealth.monitor.blocked_checks import expire_result, find_blocked, resolve_blocked

STUCK = "no round has ended for three intervals"
"""The reason for a monitor whose rounds no longer end."""

FIRST_ROUND = "the first round has not ended yet"

_EVERYTHING = ""


class ComponentState(msgspec.Struct, frozen=True):
    """The state of one component.

    Attributes:
        status: None if every check was skipped or is blocked.
        since: When `status` began, as far as this monitor knows.
        checked: When a round last checked it; None if none has.
        cause: The id of the worst check; None if all is well, or if no single check is the cause.
        message: Why the status is what it is, in one sentence; empty if healthy.
        checks: Its checks as they count now.
    """

    status: Status | None
    since: datetime.datetime
    checked: datetime.datetime | None
    cause: str | None
    message: str
    checks: tuple[CheckResult, ...]


class BoardState(msgspec.Struct, frozen=True):
    """The state of all components.

    Attributes:
        status: The worst component's; None before the first result.
        since: When `status` began.
        ended: When the last round ended.
        reasons: Why it is not healthy, the worst first.
        problems: Those of `reasons` that concern rounds or whole components, not one check.
        components: By name.
        since_by_check: When each check's outcome began.
        blocked: The checks that each failed or unknown check keeps from running, sorted.
        waiting: Components with checks whose blocker passes again: they are due at once.
        not_monitored: Known components that no round checks.
        report: The last report with every component's results; None before the first round's end.
    """

    status: Status | None
    since: datetime.datetime | None = None
    ended: datetime.datetime | None = None
    reasons: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    components: dict[str, ComponentState] = {}
    since_by_check: dict[str, datetime.datetime] = {}
    blocked: dict[str, tuple[str, ...]] = {}
    waiting: frozenset[str] = frozenset()
    not_monitored: tuple[str, ...] = ()
    report: Report | None = None

    @property
    def version(self) -> str | None:
        """The application's version; None if it is not known."""
        return None if self.report is None else self.report.target.version


class Degradation(msgspec.Struct, frozen=True):
    """A status that is worse than the checks' own, until every component that it concerns was checked again."""

    components: frozenset[str]
    status: Status
    reasons: tuple[str, ...]

    def without(self, checked: Collection[str]) -> Degradation:
        """Return what is left after a round that checked these components."""
        return msgspec.structs.replace(self, components=self.components - {*checked})


class StatusBoard:
    """Derive the state of all components from what rounds report.

    Args:
        known_since: Since when checks have failed, from before a restart, by id.
    """

    def __init__(self, known_since: Mapping[str, datetime.datetime] | None = None) -> None:
        self._known_since = dict(known_since or {})
        self._report: Report | None = None
        self._results: dict[str, dict[str, CheckResult]] = {}
        self._partial: dict[str, CheckResult] = {}
        self._checked: dict[str, tuple[float, datetime.datetime]] = {}
        self._degradations: list[Degradation] = []
        self._overdue: frozenset[str] = frozenset()
        self._stuck = False
        self._not_requested: tuple[str, ...] = ()
        self._outcomes: dict[str, Outcome] = {}
        self._state = BoardState(None)

    @property
    def state(self) -> BoardState:
        """The state after the last change."""
        return self._state

    def add_partial(
        self, checks: Sequence[CheckResult], at: datetime.datetime, now: float = 0.0
    ) -> None:
        """Add checks that have ended while their round still runs.

        A check that got worse counts at once. A better result counts at the round's end, which may
        still contradict it.
        """
        self._partial |= {check.id: check for check in checks}
        self._note_checked({check.component for check in checks}, at, now)
        self._derive(at)

    def add_round(
        self,
        report: Report | None,
        problems: Sequence[str],
        at: datetime.datetime,
        requested: Collection[str] | None = None,
        now: float = 0.0,
    ) -> None:
        """Add the end of a round.

        Args:
            report: Its report; None if it sent none.
            problems: What was wrong with the round itself.
            at: When it ended.
            requested: The components that were due; None for all. Of others it has only those checks
                that these require.
            now: The same time by a clock that never goes back, in seconds.
        """
        self._partial = {}
        if report is None:
            self._degrade_broken(requested, problems)
        else:
            self._report = report
            self._degrade_doubtful(report, requested)
            if problems:
                self._degrade_broken(requested, problems)
            if requested is None:
                self._not_requested = report.not_asked
            if requested is None and not problems:
                self._results = {
                    name: ours for name, ours in self._results.items() if name in report.components
                }
            self._note_checked(requested or report.components, at, now)
            self._add_results(report, requested)
        self._state = msgspec.structs.replace(self._state, ended=at)
        self._derive(at)

    def expire(
        self, now: float, at: datetime.datetime, max_ages: Mapping[str, float], *, stuck: bool
    ) -> None:
        """Make components unknown that no round has checked for too long.

        Args:
            now: The time, by the clock of `add_round`.
            at: The same time by the calendar.
            max_ages: Seconds for which a component's results count, by name.
            stuck: Whether rounds no longer end.
        """
        overdue = frozenset(
            name
            for name, (checked, _) in self._checked.items()
            if name in self._results
            and (stuck or (name in max_ages and now - checked > max_ages[name]))
        )
        if (overdue, stuck) != (self._overdue, self._stuck):
            self._overdue, self._stuck = overdue, stuck
            self._derive(at)

    def _note_checked(self, components: Iterable[str], at: datetime.datetime, now: float) -> None:
        """Note when components were checked: from then on they are not overdue."""
        checked = frozenset(components)
        self._checked |= dict.fromkeys(checked, (now, at))
        self._overdue -= checked

    def _add_results(self, report: Report, requested: Collection[str] | None) -> None:
        for name in report.components:
            ours = {check.id: check for check in report.checks if check.component == name}
            whole = requested is None or name in requested
            self._results[name] = ours if whole else self._results.get(name, {}) | ours

    def _degrade_doubtful(self, report: Report, requested: Collection[str] | None) -> None:
        """Remember a report that is worse than its checks, and components without a result."""
        left = (
            []
            if requested is None
            else [degradation.without(requested) for degradation in self._degradations]
        )
        self._degradations = [degradation for degradation in left if degradation.components]
        found = [check.status for check in report.checks if check.status is not None]
        names = frozenset(requested or report.components or (_EVERYTHING,))
        if (found or requested is None) and worst([*found, report.status]) is not worst(found):
            self._degradations.append(Degradation(names, report.status, report.reasons))
        lost = frozenset(requested or ()) - report.components.keys()
        if lost:
            text = f"no check of {', '.join(sorted(lost))} was reported"
            self._degradations.append(Degradation(lost, Status.UNKNOWN, (text,)))

    def _degrade_broken(self, requested: Collection[str] | None, problems: Sequence[str]) -> None:
        """Remember that a round broke down, until what it was to check was checked again."""
        names = frozenset(requested or self._results or (_EVERYTHING,))
        covered = [
            degradation for degradation in self._degradations if degradation.components <= names
        ]
        worse = [degradation for degradation in covered if degradation.status is not Status.UNKNOWN]
        others = [degradation for degradation in self._degradations if degradation not in covered]
        broken = Degradation(names, Status.UNKNOWN, tuple(problems))
        self._degradations = [*others, *worse, broken]

    def _derive(self, at: datetime.datetime) -> None:
        """Derive the state from everything that was added; `at` is when it changed."""
        before, results = self._state, self._merge()
        blocked = find_blocked(results)
        live, waiting = resolve_blocked(results, blocked)
        checks = {
            name: tuple(expire_result(check) for check in ours) if name in self._overdue else ours
            for name, ours in _by_component(live).items()
        }
        problems = self._find_problems()
        components = {
            name: self._describe(name, ours, problems, at) for name, ours in checks.items()
        }
        current = [check for check in live if check.component not in self._overdue]
        found = [
            component.status for component in components.values() if component.status is not None
        ]
        found += [problem.status for _, problem in problems]
        started = before.ended is not None
        if not started:
            problems.append((frozenset(), RunProblem(FIRST_ROUND)))
        elif not found:
            problems.append((frozenset(), RunProblem("every check was skipped")))
        run_problems = [problem for _, problem in problems]
        reasons = [problem.text for problem in run_problems]
        if current:
            reasons = [*derive_verdict(tuple(current), run_problems).reasons]
        status = worst([*found, *(problem.status for problem in run_problems)])
        self._state = BoardState(
            status=status,
            since=before.since if status is before.status else at,
            ended=before.ended,
            reasons=tuple(dict.fromkeys(reasons)),
            problems=tuple(dict.fromkeys(problem.text for problem in run_problems)),
            components=components,
            since_by_check=self._find_since(live, at),
            blocked=blocked,
            waiting=waiting,
            not_monitored=tuple(name for name in self._not_requested if name not in components),
        )
        self._state = msgspec.structs.replace(self._state, report=self._make_report())

    def _merge(self) -> dict[str, CheckResult]:
        """Return every check's result: the last round's, or a worse one of the round under way."""
        merged = {check.id: check for ours in self._results.values() for check in ours.values()}
        for check in self._partial.values():
            before = merged.get(check.id)
            if before is None or _severity(check) >= _severity(before):
                merged[check.id] = check
        return merged

    def _find_problems(self) -> list[tuple[frozenset[str], RunProblem]]:
        """Return what is wrong besides the checks, with the components that it concerns."""
        found = [
            (degradation.components, RunProblem(text, degradation.status))
            for degradation in self._degradations
            for text in degradation.reasons or ("the round did not say why",)
        ]
        if self._stuck:
            found.append((self._overdue, RunProblem(STUCK)))
        elif self._overdue:
            names = ", ".join(sorted(self._overdue))
            text = f"{names}: not checked for three intervals"
            found.append((self._overdue, RunProblem(text)))
        return found

    def _describe(
        self,
        name: str,
        checks: tuple[CheckResult, ...],
        problems: Sequence[tuple[frozenset[str], RunProblem]],
        at: datetime.datetime,
    ) -> ComponentState:
        ours = [check for check in checks if check.status is not None]
        cause = max(ours, key=_severity, default=None)
        concerning = [problem for names, problem in problems if name in names]
        problem = max(concerning, key=lambda problem: problem.status.severity, default=None)
        status = None if cause is None else cause.status
        text, check = "", None
        if cause is not None and status is not Status.HEALTHY:
            text, check = cause.message, cause.id
        if name in self._overdue:
            status, text, check = Status.UNKNOWN, "not checked for three intervals", None
        elif problem is not None and (status is None or problem.status.severity > status.severity):
            status, text, check = problem.status, problem.text, None
        before = self._state.components.get(name)
        since = at if before is None or before.status is not status else before.since
        if check is not None and before is None:
            since = self._known_since.get(check, at)
        checked = self._checked.get(name)
        return ComponentState(status, since, checked and checked[1], check, text, checks)

    def _find_since(
        self, checks: Sequence[CheckResult], at: datetime.datetime
    ) -> dict[str, datetime.datetime]:
        before, self._outcomes = self._outcomes, {check.id: check.outcome for check in checks}
        found = {}
        for check in checks:
            if check.id in before:
                same = before[check.id] is check.outcome
                found[check.id] = self._state.since_by_check[check.id] if same else at
            else:
                bad = check.status not in (None, Status.HEALTHY)
                found[check.id] = self._known_since.get(check.id, at) if bad else at
        return found

    def _make_report(self) -> Report | None:
        """Return the last report with the state of every component."""
        state = self._state
        if self._report is None or state.ended is None or state.status is None:
            return None
        checks = tuple(check for each in state.components.values() for check in each.checks)
        counts = derive_verdict(checks, ()).counts
        return msgspec.structs.replace(
            self._report,
            status=state.status,
            exit_code=state.status.exit_code,
            reasons=state.reasons,
            summary=make_summary(counts),
            components={
                name: Component(each.status, tuple(check.id for check in each.checks))
                for name, each in state.components.items()
            },
            checks=checks,
            not_asked=state.not_monitored,
        )


def make_report_unknown(report: Report, reason: str) -> Report:
    """Return a report of which nothing counts any more, because of `reason`."""
    checks = tuple(expire_result(check) for check in report.checks)
    components = {
        name: component if component.status is None else Component(Status.UNKNOWN, component.checks)
        for name, component in report.components.items()
    }
    return msgspec.structs.replace(
        report,
        status=Status.UNKNOWN,
        exit_code=Status.UNKNOWN.exit_code,
        reasons=(reason,),
        summary=make_summary(derive_verdict(checks, ()).counts),
        components=components,
        checks=checks,
    )


def _by_component(checks: Iterable[CheckResult]) -> dict[str, tuple[CheckResult, ...]]:
    grouped: dict[str, list[CheckResult]] = defaultdict(list)
    for check in checks:
        grouped[check.component].append(check)
    return {name: tuple(ours) for name, ours in grouped.items()}


def _severity(check: CheckResult) -> int:
    return -1 if check.status is None else check.status.severity

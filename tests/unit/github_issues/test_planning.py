"""Which step follows for a group of failures: tables on the pure plan."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pytest_flowhealth.github_issues.issue_store import IssueRecord
from pytest_flowhealth.github_issues.planning import (
    DAY,
    LIST_DELAY,
    IssuePolicy,
    plan_actions,
    select_groups,
)
from pytest_flowhealth.install_reports.report import FailureGroup
from pytest_flowhealth.probes.github.resources import Issue
from tests.kit.github_issues import BASE, kind

NOW = 1_790_000_000.0
NAME = BASE.fingerprint
KNOWN = IssueRecord(1, count=7, versions=("2.1.0", "2.0.0"), updated=NOW - 2 * DAY)
NEWER = (("2.1.0", 10), ("2.2.0", 4))


def issue(number: int = 1, **named: Any) -> Issue:
    return Issue(number, datetime.fromtimestamp(NOW - 9 * DAY, UTC), **named)


def closed(number: int = 1, reason: str = "completed") -> Issue:
    at = datetime.fromtimestamp(NOW - DAY, UTC)
    return issue(number, state="closed", state_reason=reason, closed_at=at)


def plan(
    group: FailureGroup = BASE, issues: tuple[Issue, ...] = (), record: IssueRecord | None = None
) -> list[tuple[str, int | None]]:
    records = {} if record is None else {NAME: record}
    actions = plan_actions([group], {NAME: issues}, records, IssuePolicy(), NOW)
    return [(action.step, action.number) for action in actions]


@pytest.mark.parametrize(
    ("named", "networks", "selected"),
    [
        ({"count": 4, "sources": 4}, 2, False),
        ({"count": 5, "sources": 2}, 2, True),
        ({"count": 1_000, "sources": 1}, 2, False),
        ({"count": 5, "sources": 1}, 1, True),
        ({"fingerprint": "x --><script>"}, 2, False),
    ],
)
def test_an_issue_takes_enough_reports_from_enough_networks_and_a_valid_fingerprint(
    named: dict[str, Any], networks: int, selected: bool
) -> None:
    assert bool(select_groups([kind(**named)], IssuePolicy(networks=networks))) is selected


@pytest.mark.parametrize(
    ("attempted", "refused", "step"),
    [
        (None, False, "open"),
        (NOW - 1, False, "wait"),
        (NOW - LIST_DELAY, False, "open"),
        (NOW + 9 * DAY, False, "open"),  # the clock was set back
        (NOW - LIST_DELAY, True, "wait"),
        (NOW - DAY, True, "open"),
    ],
)
def test_an_attempt_without_a_result_is_repeated_when_the_list_would_show_the_issue(
    attempted: float | None, refused: bool, step: str
) -> None:
    record = IssueRecord(attempted=attempted, refused=refused)
    assert plan(record=record) == [(step, None)]


@pytest.mark.parametrize(
    ("issues", "record", "expected"),
    [
        ((issue(4),), None, [("adopt", 4)]),
        ((issue(6), issue(4), issue(5)), None, [("adopt", 4), ("close", 6), ("close", 5)]),
        ((issue(6), issue(4)), KNOWN, [("none", 4), ("close", 6)]),
        ((closed(4), issue(6)), KNOWN, [("none", 6)]),
        ((closed(6), closed(4)), KNOWN, [("none", 4)]),
        ((), KNOWN, [("ignore", 1)]),  # deleted or moved
    ],
)
def test_the_oldest_open_issue_stays_and_the_other_open_ones_are_closed(
    issues: tuple[Issue, ...],
    record: IssueRecord | None,
    expected: list[tuple[str, int | None]],
) -> None:
    assert plan(issues=issues, record=record) == expected


@pytest.mark.parametrize(
    ("named", "found", "updated", "step"),
    [
        ({"count": 13}, issue(), NOW - 2 * DAY, "none"),
        ({"count": 14}, issue(), NOW - 2 * DAY, "comment"),
        ({"count": 14}, issue(), NOW - DAY + 1, "none"),
        ({"count": 14}, issue(), NOW + 9 * DAY, "comment"),  # the clock was set back
        ({"count": 8, "versions": NEWER}, issue(), NOW - 2 * DAY, "comment"),
        ({"count": 14}, issue(locked=True), NOW - 2 * DAY, "ignore"),
        ({"count": 40}, closed(), NOW - 2 * DAY, "ignore"),
        ({"count": 40, "versions": NEWER, "last": 1.0}, closed(), NOW - 2 * DAY, "ignore"),
        ({"count": 40, "versions": NEWER, "last": NOW}, closed(), NOW - 2 * DAY, "comment"),
        (
            {"count": 40, "versions": NEWER, "last": NOW},
            closed(reason="not_planned"),
            NOW - 2 * DAY,
            "ignore",
        ),
    ],
)
def test_a_comment_follows_a_doubled_count_or_a_new_version_unless_the_issue_is_closed_for_good(
    named: dict[str, Any], found: Issue, updated: float, step: str
) -> None:
    record = msgspec.structs.replace(KNOWN, updated=updated)
    assert plan(kind(**named), (found,), record) == [(step, 1)]


def test_at_most_per_day_issues_are_opened_within_a_day() -> None:
    groups = [kind(fingerprint=f"{number:016x}") for number in range(4)]
    records = {
        groups[0].fingerprint: IssueRecord(1, attempted=NOW - 1),
        "f" * 16: IssueRecord(2, attempted=NOW - DAY - 1),
    }
    actions = plan_actions(groups[1:], {}, records, IssuePolicy(per_day=2), NOW)
    assert [action.step for action in actions] == ["open", "wait", "wait"]

"""The issues of a GitHub repository: how many are open, how old, how fast they are answered.

It only reads. Durations are in days, times are UTC. Each function asks GitHub's Issues API and
raises `GitHubError`, a `MeasurementUnavailable`, if the answer can't be had completely.
::

    client = client_of(target, os.environ)
    ages = ages_in_days(read_open_issues(client), datetime.now(UTC))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flowhealth.lazy_names import make_getattr

if TYPE_CHECKING:
    from pytest_flowhealth.probes.github.analytics import (
        RECENT_DAYS,
        Responses,
        Week,
        ages_in_days,
        count_by_label,
        read_open_issues,
        read_responses,
        read_weeks,
    )
    from pytest_flowhealth.probes.github.answers import Issue
    from pytest_flowhealth.probes.github.client import GitHubClient
    from pytest_flowhealth.probes.github.failure import GitHubError
    from pytest_flowhealth.probes.github.settings import client_of

__all__ = [
    "RECENT_DAYS",
    "GitHubClient",
    "GitHubError",
    "Issue",
    "Responses",
    "Week",
    "ages_in_days",
    "client_of",
    "count_by_label",
    "read_open_issues",
    "read_responses",
    "read_weeks",
]

_MODULES = {
    **dict.fromkeys(__all__, "analytics"),
    "GitHubClient": "client",
    "GitHubError": "failure",
    "Issue": "answers",
    "client_of": "settings",
}

__getattr__ = make_getattr(__name__, _MODULES)

"""The issues of a GitHub repository: how many are open, how old, how fast they are answered.

It only reads. Durations are in days, times are UTC. Each function sends requests to GitHub's Issues
API and raises `GitHubError`, a `MeasurementUnavailable`, if the response is missing or incomplete.
It needs PyGithub (the extra `github`), which is imported with the first request.
::

    client = make_client(target, os.environ)
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
    from pytest_flowhealth.probes.github.client import GitHubClient, GitHubError
    from pytest_flowhealth.probes.github.resources import Issue
    from pytest_flowhealth.probes.github.settings import make_client

__all__ = [
    "RECENT_DAYS",
    "GitHubClient",
    "GitHubError",
    "Issue",
    "Responses",
    "Week",
    "ages_in_days",
    "count_by_label",
    "make_client",
    "read_open_issues",
    "read_responses",
    "read_weeks",
]

_MODULES = {
    **dict.fromkeys(__all__, "analytics"),
    "GitHubClient": "client",
    "GitHubError": "client",
    "Issue": "resources",
    "make_client": "settings",
}

__getattr__ = make_getattr(__name__, _MODULES)

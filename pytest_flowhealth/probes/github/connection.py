"""PyGithub's requester, with retries that end in time. PyGithub is imported here only: it takes 0.5 s."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from github import Auth, Github, GithubRetry, set_log_level
from github.GithubException import RateLimitExceededExceedsMaxWait
from github.Requester import Requester

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

API_VERSION = "2022-11-28"
"""The version of the API (docs.github.com, "API Versions")."""

RETRIES = 3
"""Retries of a GET after a 5xx, a broken connection or a short rate limit."""

_BACKOFF_FACTOR = 0.25

# PyGithub prints each refused request on standard error; the caller reports it in its own words.
set_log_level(logging.WARNING)


class BoundedRetry(GithubRetry):
    """PyGithub's retries, without a wait of more than `max_rate_limit_wait` seconds.

    PyGithub bounds the waits that it computes itself, but obeys any `Retry-After`.
    """

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Return the seconds that the response asks to wait.

        Raises:
            RateLimitExceededExceedsMaxWait: More than `max_rate_limit_wait`.
        """
        seconds = super().get_retry_after(response)
        if seconds is None or seconds <= (self.max_rate_limit_wait or 0.0):
            return seconds
        raise RateLimitExceededExceedsMaxWait(response.status, None, dict(response.headers))


def open_requester(token: str | None, api: str, seconds: float, write_pause: float) -> Requester:
    """Return a requester for the REST API at `api`.

    Only GET is repeated: after a POST without a whole response nobody knows whether it took effect.

    Args:
        token: The token; None for anonymous requests.
        api: The address of the REST API.
        seconds: The limit of one connection attempt and of each pause in a response.
        write_pause: The seconds between two writes (GitHub's best practices).
    """
    retry = BoundedRetry(
        total=RETRIES,
        other=0,  # a broken TLS connection: urllib3 would repeat a POST as well
        allowed_methods={"GET"},
        backoff_factor=_BACKOFF_FACTOR,
        raise_on_status=False,
        # All retries must fit into the time, or the rate limit would look like a timeout.
        max_rate_limit_wait=seconds / (RETRIES + 1),
    )
    client = Github(
        auth=Auth.Token(token) if token else None,
        base_url=api.rstrip("/"),
        timeout=max(1, math.ceil(seconds)),
        user_agent="pytest-flowhealth",
        retry=retry,
        seconds_between_requests=None,
        seconds_between_writes=write_pause,
        api_version=API_VERSION,
    )
    return client.requester

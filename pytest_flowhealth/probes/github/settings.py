"""The repository and the token: from the configuration, package.json and the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_flowhealth.config.environment import GITHUB_TOKEN
from pytest_flowhealth.config.github import repository_in
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import CheckFailed, NotApplicable, UsageError
from pytest_flowhealth.probes.github.client import GitHubClient

TOKENS = (GITHUB_TOKEN, "GITHUB_TOKEN", "GH_TOKEN")
"""The variables that may hold the token, in order of precedence."""

MAX_SECONDS = 60.0
"""The largest `[github] timeout` that has an effect."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,1000}\Z")


def find_token(environ: Mapping[str, str]) -> str | None:
    """Return the token; None if no variable is set.

    Raises:
        UsageError: It is invalid; the message does not contain it.
    """
    for name in TOKENS:
        text = environ.get(name, "").strip()
        if text and not _TOKEN.match(text):
            raise UsageError(f"environment {name}: a token has no spaces and no other characters")
        if text:
            return text
    return None


def find_repository(target: Target) -> str:
    """Return the repository: the configured one, else package.json's.

    Raises:
        NotApplicable: There is none on GitHub.
    """
    settings = target.config.github
    if settings.repository is not None:
        return settings.repository
    try:
        address = target.manifest.repository
    except CheckFailed:  # a broken package.json has a check of its own
        address = None
    found = repository_in(address, settings.api)
    if found is None:
        why = "names none" if address is None else "names one elsewhere"
        raise NotApplicable(
            f"no repository on GitHub is known: package.json {why}, and [github] repository is not set",
            remedy='set it in flowhealth.toml: [github] repository = "owner/name"',
        )
    return found


def make_client(target: Target, environ: Mapping[str, str]) -> GitHubClient:
    """Return a client of the target's repository.

    Args:
        target: The project with its configuration.
        environ: The environment, which may hold the token.

    Raises:
        NotApplicable: There is no repository on GitHub.
        UsageError: The token is invalid.
    """
    settings = target.config.github
    seconds = min(MAX_SECONDS, settings.timeout)
    token = find_token(environ)
    return GitHubClient(find_repository(target), token, api=settings.api, seconds=seconds)

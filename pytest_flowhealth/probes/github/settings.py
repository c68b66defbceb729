"""Which repository, with which token: from the configuration, package.json and the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_flowhealth.config.environment import GITHUB_TOKEN
from pytest_flowhealth.config.github import repository_in
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import CheckFailed, NotApplicable, UsageError
from pytest_flowhealth.probes.github.client import GitHubClient, Time

TOKENS = (GITHUB_TOKEN, "GITHUB_TOKEN", "GH_TOKEN")
"""The variables that may hold the token, the nearest first."""

LONGEST = 60.0
"""Seconds of github.timeout that are waited at most."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,1000}\Z")


def token_of(environ: Mapping[str, str]) -> str | None:
    """Return the token, None where there is none.

    Raises:
        UsageError: It can't be one; it is not shown.
    """
    for name in TOKENS:
        text = environ.get(name, "").strip()
        if text and not _TOKEN.match(text):
            raise UsageError(f"environment {name}: a token has no spaces and no other characters")
        if text:
            return text
    return None


def repository_of(target: Target) -> str:
    """Return the repository: the configured one, else package.json's.

    Raises:
        NotApplicable: There is none on GitHub.
    """
    ours = target.config.github
    if ours.repository is not None:
        return ours.repository
    try:
        told = target.manifest.repository
    except CheckFailed:  # what is wrong with package.json is for its own check to say
        told = None
    found = repository_in(told, ours.api)
    if found is None:
        why = "names none" if told is None else "names one elsewhere"
        raise NotApplicable(
            f"no repository on GitHub is known: package.json {why}, and [github] repository is not set",
            remedy='set it in flowhealth.toml: [github] repository = "owner/name"',
        )
    return found


def client_of(target: Target, environ: Mapping[str, str], at: Time | None = None) -> GitHubClient:
    """Return who asks about the target's repository.

    Raises:
        NotApplicable: There is none on GitHub.
        UsageError: The token can't be one.
    """
    ours = target.config.github
    seconds = min(LONGEST, ours.timeout)
    token = token_of(environ)
    return GitHubClient(repository_of(target), token, api=ours.api, seconds=seconds, at=at)

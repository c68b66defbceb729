"""The section of GitHub: `[github]`; and the repository that a package.json names."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from pytest_flowhealth.config.notation import (
    DAY,
    REPOSITORY,
    ApiAddress,
    Duration,
    Label,
    Repository,
)

PUBLIC = "https://api.github.com"


class GitHub(msgspec.Struct, frozen=True):
    """GitHub's issues: created from errors that many installs report, and analysed by checks."""

    repository: Repository | None = None
    """The repository. The monitor creates issues only if it is set and there is a token in
    `FLOWHEALTH_GITHUB_TOKEN`, `GITHUB_TOKEN` or `GH_TOKEN`. Default for analytics: package.json's.
    Example: `"owner/name"`."""
    api: ApiAddress = PUBLIC
    """The address of the REST API; `https://HOST/api/v3` for a GitHub Enterprise Server."""
    limit: Annotated[int, Meta(ge=1, le=10**9)] = 5
    """How many reports of one error create an issue."""
    networks: Annotated[int, Meta(ge=1, le=10**9)] = 2
    """From how many networks the reports must come. A network is a /24, for IPv6 a /48, and is counted
    anew every day, as its address is not stored."""
    labels: tuple[Label, ...] = ("bug", "installation")
    """The labels of an issue."""
    per_day: Annotated[int, Meta(ge=0, le=1_000)] = 5
    """How many issues are created in 24 hours at most."""
    comment_every: Duration = DAY
    """The least time between two comments on an issue. A comment is added when the count has doubled, or
    another version is affected."""
    timeout: Duration = 20.0
    """The time limit of a request, with its retries."""


def web_address(api: str) -> str:
    """Return the address of the pages that belong to an API's, without a ``/`` at the end."""
    parts = urlsplit(api)
    host = parts.netloc
    if not parts.path.strip("/"):
        host = host.removeprefix("api.")
    return f"{parts.scheme}://{host}"


def repository_in(text: str | None, api: str = PUBLIC) -> str | None:
    """Return the repository that package.json's `repository` names, as in ``owner/name``.

    Read are npm's forms (docs.npmjs.com, "package.json", repository): an address of git's, with
    or without a scheme, ``github:owner/name`` and ``owner/name``. None where it is another host's.
    """
    given = (text or "").strip().removeprefix("git+").partition("#")[0]
    host = urlsplit(web_address(api)).netloc.lower()
    if re.match(r"[\w.-]+@[\w.-]+:", given):
        given = "ssh://" + given.replace(":", "/", 1)
    if "://" in given:
        try:
            parts = urlsplit(given)
        except ValueError:
            return None
        if parts.netloc.rpartition("@")[2].lower() not in (host, f"www.{host}"):
            return None
        given = parts.path.strip("/")
    elif given.startswith("github:") or ":" in given:
        if not given.startswith("github:") or host != "github.com":
            return None
        given = given.removeprefix("github:")
    name = "/".join(given.split("/")[:2]).removesuffix(".git")
    return name if re.match(REPOSITORY, name) else None

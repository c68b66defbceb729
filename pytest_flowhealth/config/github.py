"""What can be configured of GitHub: `[github]`; and which repository on it is meant."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

PUBLIC = "https://api.github.com"

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,100}\Z")
_LONGEST_LABEL = 50


class GitHub(msgspec.Struct, frozen=True):
    """GitHub's issues: opened of errors that many installations report, and looked at by checks."""

    repository: Annotated[
        str | None,
        Meta(
            description="The repository. The monitor opens issues only where it is set, and a token "
            "is in `FLOWHEALTH_GITHUB_TOKEN`, else `GITHUB_TOKEN` or `GH_TOKEN`; else what is looked "
            "at is package.json's.",
            examples=["owner/name"],
        ),
    ] = None
    api: Annotated[
        str,
        Meta(
            description="The address of the REST API; of a GitHub Enterprise Server "
            "`https://HOST/api/v3`."
        ),
    ] = PUBLIC
    limit: Annotated[
        int, Meta(description="How many reports of one kind open an issue.", ge=1, le=10**9)
    ] = 5
    networks: Annotated[
        int,
        Meta(
            description="From how many networks they must come, too: one person is no crowd. A network "
            "is a /24, of IPv6 a /48; it is counted anew every day, for it can't be known again.",
            ge=1,
            le=10**9,
        ),
    ] = 2
    labels: Annotated[
        tuple[str, ...],
        Meta(description="An issue's labels, besides those by which it is found again."),
    ] = ("bug", "installation")
    per_day: Annotated[
        int, Meta(description="New issues in 24 hours at the most.", ge=0, le=1_000)
    ] = 5
    comment_every: Annotated[
        str,
        Meta(
            description="How long an issue is left alone after it was told something: a comment comes "
            "when the count has doubled, or another version is concerned."
        ),
    ] = "1 d"
    timeout: Annotated[
        str, Meta(description="How long an answer may take, all attempts together.")
    ] = "20 s"


def require_repository(text: str | None) -> None:
    """Refuse what names no repository.

    Raises:
        ValueError: It is such a text.
    """
    if text is not None and not _REPOSITORY.match(text):
        raise ValueError("must be such as 'owner/name'")


def require_labels(labels: Sequence[str]) -> None:
    """Refuse what can't be a label.

    Raises:
        ValueError: One can't.
    """
    for one in labels:
        if not one.strip() or "," in one or not one.isprintable() or len(one) > _LONGEST_LABEL:
            raise ValueError("a label has 1 to 50 characters, and no comma")


def require_api(url: str) -> None:
    """Refuse an address where the token would be read on the way; it is not shown.

    Raises:
        ValueError: It is such a one, or none.
    """
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        usable, parts = False, urlsplit("")
    safe = parts.scheme == "https" or (parts.scheme == "http" and _here(parts.hostname or ""))
    if not usable or not safe or parts.query or parts.fragment:
        raise ValueError("must be an address such as 'https://api.github.com', with https")


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
    found = "/".join(given.split("/")[:2]).removesuffix(".git")
    return found if _REPOSITORY.match(found) else None


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

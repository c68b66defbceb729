"""Which versions are downloaded: shares of the last week's downloads, by version.

github.com/npm/registry, docs/download-counts.md, "Per version download counts"; advisories as
`npm audit` asks for them (docs.npmjs.com, "npm audit", Bulk Advisory Endpoint).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from pytest_flowhealth.errors import NotApplicable
from pytest_flowhealth.probes.registry.package_registry import Advisory, Release

SHOWN = 10
"""Versions that are told by name."""


class Adoption(msgspec.Struct, frozen=True):
    """Shares of the downloads, in percent.

    Attributes:
        total: All downloads of the week, by version.
        latest: The share of the version tagged `latest`.
        major: That of all versions of its major.
        deprecated: That of deprecated versions.
        gone: That of versions which the registry no longer has.
        top: The most downloaded versions, the most first.
    """

    total: int
    latest: float
    major: float
    deprecated: float
    gone: float
    top: dict[str, int]


def compute_adoption(downloads: Mapping[str, int], release: Release) -> Adoption:
    """Return the shares.

    Raises:
        NotApplicable: There were no downloads.
    """
    known = set(release.versions)
    major = _major(release.latest)
    return Adoption(
        total=sum(downloads.values()),
        latest=share(downloads, lambda version: version == release.latest),
        major=share(downloads, lambda version: _major(version) == major),
        deprecated=share(downloads, lambda version: version in release.deprecated),
        gone=share(downloads, lambda version: version not in known),
        top=dict(sorted(downloads.items(), key=lambda pair: -pair[1])[:SHOWN]),
    )


def exposed_share(downloads: Mapping[str, int], advisories: Sequence[Advisory]) -> float:
    """Return the share of the downloads that were of versions with an advisory, in percent.

    Raises:
        NotApplicable: There were no downloads.
    """
    affected = {version for advisory in advisories for version in advisory.versions}
    return share(downloads, affected.__contains__)


def share(downloads: Mapping[str, int], is_meant: Callable[[str], bool]) -> float:
    """Return the share of the versions that are meant, in percent.

    Raises:
        NotApplicable: There were no downloads.
    """
    total = sum(downloads.values())
    if not total:
        raise NotApplicable("nobody downloaded it in the last week")
    return 100 * sum(count for version, count in downloads.items() if is_meant(version)) / total


def _major(version: str) -> str:
    return version.partition(".")[0]

"""Which versions are downloaded: shares of the last week's downloads, by version.

github.com/npm/registry, docs/download-counts.md, "Per version download counts"; advisories as
`npm audit` asks for them (docs.npmjs.com, "npm audit", Bulk Advisory Endpoint).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from pytest_flowhealth.config import semver
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.registry.client import Client, NotThere, Reply
from pytest_flowhealth.probes.registry.downloads import Count
from pytest_flowhealth.probes.registry.packument import Release

BULK = "-/npm/v1/security/advisories/bulk"
"""Where a registry is asked for advisories, below its address."""

SHOWN = 10
"""Versions that are told by name."""

_MANY = 10**14


class Versions(msgspec.Struct, frozen=True):
    """The API's answer: the downloads of each version in the last seven days."""

    downloads: dict[str, Count]
    package: str


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


class Advisory(msgspec.Struct, frozen=True, rename={"range": "vulnerable_versions"}):
    """A known fault of some versions."""

    severity: str
    range: str
    title: str = ""
    url: Any = None


def read_versions(client: Client, package: str) -> tuple[dict[str, int], Reply]:
    """Ask for the downloads of each version.

    Raises:
        MeasurementUnavailable: The API did not answer, not as documented, or for another package.
    """
    try:
        answer, reply = client.get(f"versions/{quote(package, safe='')}/last-week", Versions)
    except NotThere as error:
        raise MeasurementUnavailable(
            f"{error.message}: it has no figures of {package} by version"
        ) from None
    if answer.package != package:
        other = one_line(answer.package, 100)
        raise MeasurementUnavailable(
            f"the downloads API was asked for {package}, and answered for {other}"
        )
    return answer.downloads, reply


def read_advisories(client: Client, package: str, versions: Sequence[str]) -> tuple[Advisory, ...]:
    """Ask the registry which advisories it knows of these versions.

    Raises:
        MeasurementUnavailable: It did not answer, or not as documented.
    """
    try:
        told, _ = client.post(BULK, {package: versions}, dict[str, tuple[Advisory, ...]])
    except MeasurementUnavailable as error:
        raise MeasurementUnavailable(
            f"asked for advisories, {error.message}", remedy=error.remedy
        ) from None
    return told.get(package, ())


def adoption(downloads: Mapping[str, int], release: Release) -> Adoption:
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


def speaking_of(advisories: Sequence[Advisory], version: str) -> tuple[Advisory, ...]:
    """Return the advisories that speak of a version.

    Raises:
        MeasurementUnavailable: The range of one can't be read.
    """
    return tuple(one for one in advisories if _speaks(one, version))


def exposed(downloads: Mapping[str, int], advisories: Sequence[Advisory]) -> float:
    """Return the share of the downloads that is of versions with a known fault, in percent.

    Raises:
        NotApplicable: There were no downloads.
        MeasurementUnavailable: The range of an advisory, or a version, can't be read.
    """
    return share(downloads, lambda version: any(_speaks(one, version) for one in advisories))


def _speaks(one: Advisory, version: str) -> bool:
    try:
        return _within(version, one.range)
    except ValueError:
        raise MeasurementUnavailable(
            f"{one_line(version, 100)} and an advisory's range can't be compared: "
            f"{one_line(one.range, 100)}"
        ) from None


def share(downloads: Mapping[str, int], is_meant: Callable[[str], bool]) -> float:
    """Return the share of the versions that are meant, in percent.

    Raises:
        NotApplicable: There were no downloads.
    """
    total = sum(downloads.values())
    if not total:
        raise NotApplicable("nobody downloaded it in the last week")
    return 100 * sum(count for version, count in downloads.items() if is_meant(version)) / total


def _within(version: str, wanted: str) -> bool:
    """Tell whether a version lies in a range.

    A prerelease lies in more ranges for `npm audit` than for `npm install`: it counts where its
    release or the release before it does.
    """
    major, minor, patch, tags = semver.parse_version(version)
    near = [version]
    if tags:
        near.append(f"{major}.{minor}.{patch}")
        near += _before(major, minor, patch)
    return any(semver.satisfies(one, wanted) for one in near)


def _before(major: int, minor: int, patch: int) -> list[str]:
    """Return a release just before another, none before 0.0.0."""
    if patch:
        return [f"{major}.{minor}.{patch - 1}"]
    if minor:
        return [f"{major}.{minor - 1}.{_MANY}"]
    return [f"{major - 1}.{_MANY}.{_MANY}"] if major else []


def _major(version: str) -> int | None:
    try:
        return semver.parse_version(version).major
    except ValueError:
        return None

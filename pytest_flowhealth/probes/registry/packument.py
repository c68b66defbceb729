"""A package's document in the registry (github.com/npm/registry, docs/responses/package-metadata.md)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from pytest_flowhealth.config import semver
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.registry.client import Client, NotThere, Reply


class Dist(msgspec.Struct, frozen=True):
    """What a version says of its archive; whatever types are found."""

    integrity: Any = None
    signatures: Any = None
    attestations: Any = None


class Published(msgspec.Struct, frozen=True):
    """One version; `deprecated` is the message, or whatever is found."""

    deprecated: Any = None
    dist: Dist = Dist()


class Document(msgspec.Struct, frozen=True, rename={"tags": "dist-tags"}):
    """The parts of the document that are looked at."""

    name: str | None = None
    tags: dict[str, str] = {}
    versions: dict[str, Published] = {}
    time: dict[str, Any] = {}


class Release(msgspec.Struct, frozen=True):
    """What the registry has of a package.

    Attributes:
        name: The package.
        latest: The version that `npm install NAME` installs.
        tags: The version of each dist-tag.
        versions: All versions.
        deprecated: The message of each deprecated version.
        created: When the package was first published; None where the registry does not tell.
        released: When `latest` was.
        signatures: How many signatures of the registry `latest` has.
        provenance: Whether `latest` has an attestation of its build; as `signatures`, the fact
            that the registry has it: neither is verified here.
        integrity: Whether `latest` names a digest of its archive.
    """

    name: str
    latest: str
    tags: dict[str, str]
    versions: tuple[str, ...]
    deprecated: dict[str, str]
    created: datetime | None
    released: datetime | None
    signatures: int
    provenance: bool
    integrity: bool


def path_of(package: str) -> str:
    """Return where a package is below an address: the slash of a scope is written ``%2f``."""
    return quote(package, safe="@")


def read_release(client: Client, package: str) -> tuple[Release, Reply]:
    """Ask the registry for a package.

    Raises:
        CheckFailed: It is not published, or can't be installed by its name.
        MeasurementUnavailable: The registry did not answer, or not as documented.
    """
    try:
        document, reply = client.get(path_of(package), Document)
    except NotThere as error:
        raise CheckFailed(
            f"{package} is not published: {error.message}",
            remedy='npm publish; or "private": true in package.json; or npm login, if it is there',
        ) from None
    return release(document, package), reply


def release(document: Document, package: str) -> Release:
    """Return what a document tells of `package`.

    Raises:
        CheckFailed: It has no version, or none that `npm install NAME` would find.
        MeasurementUnavailable: It is another package's.
    """
    if document.name not in (None, package):
        raise MeasurementUnavailable(
            f"the registry was asked for {package}, and answered with {one_line(str(document.name), 100)}"
        )
    if not document.versions:
        raise CheckFailed(f"every version of {package} was unpublished", remedy="npm publish")
    latest = document.tags.get("latest")
    if latest not in document.versions:
        said = (
            "has no dist-tag `latest`"
            if latest is None
            else f"has {latest} as `latest`, which is not there"
        )
        raise CheckFailed(
            f"{package} {one_line(said, 100)}", remedy=f"npm dist-tag add {package}@VERSION latest"
        )
    dist = document.versions[latest].dist
    return Release(
        name=package,
        latest=latest,
        tags=document.tags,
        versions=tuple(document.versions),
        deprecated=dict(_deprecated(document)),
        created=_date(document.time.get("created")) or _first(document),
        released=_date(document.time.get(latest)),
        signatures=len(dist.signatures) if isinstance(dist.signatures, list) else 0,
        provenance=isinstance(dist.attestations, dict) and bool(dist.attestations),
        integrity=isinstance(dist.integrity, str) and bool(dist.integrity),
    )


def is_older(version: str, other: str) -> bool:
    """Tell whether `version` comes before `other`; what is no version comes before nothing."""
    try:
        return semver.satisfies(other, f">{version}") or _before(version, other)
    except ValueError:
        return False


def _before(version: str, other: str) -> bool:
    """Compare by numbers where one is a prerelease, which no range would find."""
    have, there = semver.parse_version(version), semver.parse_version(other)
    if have[:3] != there[:3]:
        return have[:3] < there[:3]
    return bool(have.tags) and not there.tags


def _deprecated(document: Document) -> list[tuple[str, str]]:
    """Return the deprecated versions: an empty message takes the deprecation back."""
    return [
        (version, one_line(str(one.deprecated), 200))
        for version, one in document.versions.items()
        if one.deprecated
    ]


def _first(document: Document) -> datetime | None:
    """Return when the oldest version was published: some registries leave `created` out."""
    dates = [_date(document.time.get(version)) for version in document.versions]
    known = [one for one in dates if one is not None]
    return min(known, default=None) if len(known) == len(dates) else None


def _date(told: object) -> datetime | None:
    if not isinstance(told, str):
        return None
    try:
        date = datetime.fromisoformat(told)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)

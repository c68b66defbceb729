"""A package in the npm registry, asked about with npm's own libraries and configuration."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.project import NpmProject
from pytest_flowhealth.probes.registry.downloads import (
    Count,
    DownloadRange,
    Downloads,
    find_window,
    summarise_downloads,
)

Answer = TypeVar("Answer")


class Release(msgspec.Struct, frozen=True):
    """What the registry has of a package.

    Attributes:
        name: The package.
        registry: Who was asked, without credentials.
        latest: The version that `npm install NAME` installs.
        tags: The version of each dist-tag.
        versions: All versions.
        deprecated: The message of each deprecated version.
        created: When the package was first published; None where the registry does not tell.
        released: When `latest` was.
        signatures: How many signatures of the registry `latest` has.
        provenance: Whether `latest` has an attestation of its build; neither is verified here.
        integrity: Whether `latest` names a digest of its archive.
        is_older: Whether the version that was asked about comes before `latest`.
    """

    name: str
    registry: str
    latest: str
    tags: dict[str, str]
    versions: list[str]
    deprecated: dict[str, str]
    created: datetime | None
    released: datetime | None
    signatures: int
    provenance: bool
    integrity: bool
    is_older: bool = False


class Advisory(msgspec.Struct, frozen=True):
    """A known vulnerability, and which versions it affects."""

    severity: str
    title: str
    range: str
    versions: list[str]


class _DownloadsAnswer(msgspec.Struct):
    answer: Any


class _Advisories(msgspec.Struct):
    advisories: list[Advisory]


class _Npmrc(msgspec.Struct):
    text: str
    registry: str


class _VersionDownloads(msgspec.Struct):
    downloads: dict[str, Count]
    package: str


class PackageRegistry:
    """The registry of one package, and the downloads API that belongs to it.

    Every method raises MeasurementUnavailable if there is no answer, or none as documented.

    Args:
        project: Whose npm configuration counts: registry, scopes, tokens, proxy, authorities.
        package: The package's name.
        registry: The registry's address, instead of npm's.
        downloads: The downloads API's address, instead of the one that belongs to the registry.
        seconds: The time limit of an answer, all attempts together.
    """

    def __init__(
        self,
        project: NpmProject,
        package: str,
        *,
        registry: str | None = None,
        downloads: str | None = None,
        seconds: float = 20,
    ) -> None:
        self.package = package
        self._project = project
        self._arguments = {"name": package, "registry": registry, "downloads_api": downloads}
        self._seconds = seconds

    def read_release(self, version: str | None = None) -> Release:
        """Return what is published; `version` is compared with it.

        Raises:
            CheckFailed: It is not published, or can't be installed by its name.
        """
        return self._ask("release", Release, version=version)

    def read_downloads(self, today: date) -> Downloads:
        """Return the downloads of the last weeks, by day."""
        first, last = find_window(today)
        path = f"/downloads/range/{first}:{last}/{quote(self.package, safe='@/')}"
        found = self._decode(self._ask("downloads", _DownloadsAnswer, path=path), DownloadRange)
        self._require_own(found.package)
        return summarise_downloads(found.downloads, today)

    def read_version_downloads(self) -> dict[str, int]:
        """Return the downloads of the last week, by version."""
        path = f"/versions/{quote(self.package, safe='')}/last-week"
        found = self._decode(self._ask("downloads", _DownloadsAnswer, path=path), _VersionDownloads)
        self._require_own(found.package)
        return found.downloads

    def read_advisories(self, versions: Sequence[str]) -> list[Advisory]:
        """Return the advisories that the registry knows of these versions."""
        return self._ask("advisories", _Advisories, versions=list(versions)).advisories

    def read_npmrc(self) -> str:
        """Return the content of an .npmrc for an installation elsewhere; it holds credentials."""
        return self._ask("npmrc", _Npmrc).text

    def _ask(self, what: str, answer: type[Answer], **arguments: object) -> Answer:
        return self._project.ask(
            "registry", answer, seconds=self._seconds, what=what, **self._arguments, **arguments
        )

    @staticmethod
    def _decode(found: _DownloadsAnswer, kind: type[Answer]) -> Answer:
        try:
            return msgspec.convert(found.answer, kind)
        except msgspec.ValidationError as error:
            problem = one_line(str(error).replace("`", "'"), 300)
            raise MeasurementUnavailable(
                f"the downloads API answers not as documented: {problem}"
            ) from None

    def _require_own(self, package: str) -> None:
        if package != self.package:
            raise MeasurementUnavailable(
                f"the downloads API was asked for {self.package}, and answered for "
                f"{one_line(package, 100)}"
            )

"""The target: a project folder with its configuration."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

import msgspec

from pytest_flowhealth.config.manifest import Manifest, Package, read_manifest
from pytest_flowhealth.config.model import Configuration, Limits
from pytest_flowhealth.config.workspaces import workspaces
from pytest_flowhealth.errors import CheckFailed


class Target(msgspec.Struct, frozen=True):
    """A project folder (`root`, absolute) with its configuration.

    `sources` has the source of each key that is set, such as ``redis.url``.
    """

    root: Path
    config: Configuration = Configuration()
    sources: dict[str, str] = {}
    environment_thresholds: dict[str, Limits] = {}

    @property
    def manifest(self) -> Manifest:
        """The package.json; read once.

        Raises:
            CheckFailed: It can't be read, or is not valid.
        """
        return _manifest(self.root)

    @property
    def packages(self) -> tuple[Package, ...]:
        """The root package and its workspaces; read once.

        Raises:
            CheckFailed: One of their package.json files is not valid.
        """
        return _packages(self.root)

    @property
    def name(self) -> str | None:
        """The package's name; None if package.json has none or can't be read."""
        return _name_and_version(self.root)[0]

    @property
    def instance(self) -> str:
        """The label that tells this checkout from others: `[monitor] instance`, or host and folder."""
        return self.config.monitor.instance or f"{platform.node()}:{self.root}"

    @property
    def version(self) -> str | None:
        """The package's version; None if package.json has none or can't be read."""
        return _name_and_version(self.root)[1]


@cache
def _manifest(root: Path) -> Manifest:
    return read_manifest(root / "package.json")


@cache
def _packages(root: Path) -> tuple[Package, ...]:
    return workspaces(root, _manifest(root))


def _name_and_version(root: Path) -> tuple[str | None, str | None]:
    try:
        manifest = _manifest(root)
    except CheckFailed:
        return None, None
    return manifest.name, manifest.version

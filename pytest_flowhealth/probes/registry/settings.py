"""Which package, which registry, and how it is reached: from the configuration, else from npm."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from pytest_flowhealth.config.decode import package_name
from pytest_flowhealth.config.model import Npm
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes import command
from pytest_flowhealth.probes.registry.npmrc import Credential, credential, settings_of

SECONDS = 20.0
"""What `npm config list` may take."""

_FIRST_LABEL = re.compile(r"\Aregistry\.(?=[^.:])", re.IGNORECASE)
_lock = threading.Lock()
_known: dict[tuple[Path, str, Npm], Settings] = {}


class Way(msgspec.Struct, frozen=True):
    """How npm reaches a registry, besides its address.

    Attributes:
        cafile: A file with the authorities that are trusted, instead of the usual ones.
        strict: Whether certificates are looked at.
        proxy: The proxy for ``http:``, or None; `https_proxy` for ``https:``.
        noproxy: The hosts that are reached without.
    """

    cafile: str | None = None
    strict: bool = True
    proxy: str | None = None
    https_proxy: str | None = None
    noproxy: str = ""


class Settings(msgspec.Struct, frozen=True):
    """What there is to look at, and where.

    Attributes:
        package: The package's name.
        registry: Its registry's address, without user and password, with a ``/`` at the end.
        downloads: The downloads API's address, None where none is known.
        credential: What the registry is told of us; the downloads API is told nothing.
        way: How both are reached.
        files: npm's user and global .npmrc, as npm names them.
        configured: Whether `registry` is the configuration's, not npm's.
    """

    package: str
    registry: str
    downloads: str | None
    credential: Credential
    way: Way = Way()
    files: tuple[str, str] = ("", "")
    configured: bool = False

    @property
    def scope(self) -> str | None:
        """The scope of the package's name, such as ``@slack``."""
        return self.package.partition("/")[0] if self.package.startswith("@") else None


def read_settings(target: Target) -> Settings:
    """Return what the target's configuration says, and npm where it is silent; asked once.

    Raises:
        NotApplicable: There is no package to look for: it is private, or has no name.
        CheckFailed: package.json can't be read, or there is no npm.
        MeasurementUnavailable: npm's configuration can't be read.
    """
    package = package_of(target)
    key = (target.root, package, target.config.npm)
    with _lock:  # several questions begin at once: npm is asked by the first
        if key not in _known:
            _known[key] = _asked(target, package)
        return _known[key]


def package_of(target: Target) -> str:
    """Return the name of the package that is looked at.

    Raises:
        NotApplicable: It is private, or has no name, and none is configured.
        CheckFailed: package.json can't be read, or its name is none.
    """
    if target.config.npm.package:
        return target.config.npm.package
    manifest = target.manifest
    if manifest.private:
        raise NotApplicable('package.json says "private": true, so it is in no registry')
    if not manifest.name:
        raise NotApplicable("package.json has no name, so it is in no registry")
    try:
        package_name(manifest.name)
    except ValueError as error:
        raise CheckFailed(f"package.json's name {error}", remedy="npm pkg set name=NAME") from None
    return manifest.name


def derived(registry: str) -> str | None:
    """Return the downloads API's address by the registry's.

    The host's first label `registry` becomes `api` (github.com/npm/registry,
    docs/download-counts.md); None where it has no such label.
    """
    parts = urlsplit(registry)
    host, found = _FIRST_LABEL.subn("api.", parts.netloc.rpartition("@")[2])
    return urlunsplit((parts.scheme, host, "/", "", "")) if found else None


def shown(address: str) -> str:
    """Return an address for messages: without user, password and query."""
    parts = urlsplit(address)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def _asked(target: Target, package: str) -> Settings:
    told = _npm_config(target.root)
    ours = target.config.npm
    scope = package.partition("/")[0] if package.startswith("@") else ""
    address = ours.registry or told.get(f"{scope}:registry") or told.get("registry")
    if not isinstance(address, str) or urlsplit(address).scheme not in ("http", "https"):
        raise MeasurementUnavailable("`npm config get registry` names no registry")
    address = address if address.endswith("/") else f"{address}/"
    files = (_text(told, "userconfig"), _text(told, "globalconfig"))
    npmrc = [target.root / ".npmrc", *(Path(one) for one in files if one)]
    return Settings(
        package=package,
        registry=_without_user(address),
        downloads=ours.downloads or derived(address),
        credential=credential(address, settings_of(npmrc, os.environ)),
        way=_way(told),
        files=files,
        configured=bool(ours.registry),
    )


def _npm_config(root: Path) -> Mapping[str, Any]:
    """Return npm's whole configuration in that folder; npm leaves credentials out."""
    done = command.run(["npm", "config", "list", "--json"], cwd=root, timeout=SECONDS)
    try:
        told = json.loads(done.stdout)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise MeasurementUnavailable(
            f"`npm config list --json` gave no answer (exit code {done.returncode})",
            remedy="npm config list",
        )
    return told


def _way(told: Mapping[str, Any]) -> Way:
    cafile = _text(told, "cafile")
    noproxy = told.get("noproxy")
    return Way(
        cafile=cafile if cafile and Path(cafile).is_file() else None,
        strict=told.get("strict-ssl") is not False,
        proxy=_text(told, "proxy") or None,
        https_proxy=_text(told, "https-proxy") or None,
        noproxy=",".join(map(str, noproxy)) if isinstance(noproxy, list) else str(noproxy or ""),
    )


def _text(told: Mapping[str, Any], key: str) -> str:
    value = told.get(key)
    return value if isinstance(value, str) else ""


def _without_user(address: str) -> str:
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

"""Inspect a project for `flowhealth init`: its kind, package.json and configuration files."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from pytest_flowhealth.config.decode import Decoder
from pytest_flowhealth.config.load import presets
from pytest_flowhealth.config.manifest import Manifest, Package, read_manifest
from pytest_flowhealth.config.workspaces import workspaces
from pytest_flowhealth.errors import FlowHealthError
from pytest_flowhealth.probes.project import find_config_files
from pytest_flowhealth.probes.redis.packages import CLIENTS

Kind = Literal["server", "library", "command", "scripts"]

SERVERS = frozenset(
    {
        "@hapi/hapi",
        "@nestjs/core",
        "express",
        "fastify",
        "h3",
        "hono",
        "koa",
        "next",
        "nuxt",
        "polka",
        "restify",
        "socket.io",
    }
)
"""npm packages of web frameworks."""

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")

_NPM_LOCKS = ("npm-shrinkwrap.json", "package-lock.json")


class ProjectInfo(msgspec.Struct, frozen=True):
    """What is known about a project.

    Attributes:
        root: The project's folder.
        kind: The subject of its own check.
        word: Its name without a scope, for files and units.
        values: The settings for flowhealth.toml, by dotted key.
        preset: The preset with its name; its settings are not repeated.
        preset_values: The settings of the preset, by dotted key.
        redis: The Redis client among the dependencies; None without one.
        requires_node: Whether `engines` has a range for Node.
        locked: Whether npm's lock file is there, so that `npm ci` works.
        is_private: Whether it is never published.
        repository: Whether GitHub reads the .github of this folder.
    """

    root: Path
    kind: Kind
    word: str
    values: dict[str, Any]
    preset: str | None
    preset_values: dict[str, Any]
    redis: str | None
    requires_node: bool
    locked: bool
    is_private: bool
    repository: bool


def inspect_project(root: Path) -> ProjectInfo:
    """Inspect the project in `root`; runs nothing.

    Raises:
        CheckFailed: package.json, or a workspace's, can't be read.
        MeasurementUnavailable: The workspaces can't be determined.
    """
    manifest = read_manifest(root / "package.json")
    packages = workspaces(root, manifest)
    preset = manifest.name if manifest.name in presets() else None
    return ProjectInfo(
        root=root,
        kind=_kind(root, packages),
        word=_word(manifest.name),
        values=_values(root, packages),
        preset=preset,
        preset_values=_preset_values(preset),
        redis=_find_redis_client(packages),
        requires_node=bool(manifest.engines.get("node", "").strip()),
        locked=any((root / name).exists() for name in _NPM_LOCKS),
        is_private=manifest.private,
        repository=_is_repository(root),
    )


def _find_redis_client(packages: tuple[Package, ...]) -> str | None:
    names = (name for package in packages for name in _declared(package.manifest))
    return next((name for name in names if name in CLIENTS), None)


def _preset_values(name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    decoder = Decoder(f"preset {name}")
    decoder.table(tomllib.loads(presets()[name]))
    return {key: setting.value for key, setting in decoder.values.items()}


def _declared(manifest: Manifest) -> dict[str, str]:
    return {**manifest.dependencies, **manifest.optional_dependencies, **manifest.dev_dependencies}


def _kind(root: Path, packages: tuple[Package, ...]) -> Kind:
    manifest = packages[0].manifest
    # What `npm start` runs where there is no script of that name.
    starts = "start" in manifest.scripts or (root / "server.js").is_file()
    if starts or (manifest.private and SERVERS & manifest.dependencies.keys()):
        return "server"
    if any(_has_entry(package) for package in packages):
        return "library"
    return "command" if any(package.manifest.bin for package in packages) else "scripts"


def _has_entry(package: Package) -> bool:
    """Tell whether a package can be loaded by its name alone: not where it exports parts only."""
    exports = package.manifest.exports
    if isinstance(exports, dict) and exports and all(key.startswith(".") for key in exports):
        return "." in exports
    return bool(exports or package.manifest.main) or (package.path / "index.js").is_file()


def _word(name: str | None) -> str:
    word = (name or "").rpartition("/")[2]
    return word if _PLAIN.match(word) else "app"


def _values(root: Path, packages: tuple[Package, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "package.critical": list(packages[0].manifest.dependencies),
        "configuration.files": _configuration(root, packages),
    }
    return {key: value for key, value in found.items() if value and _can_be_written(value)}


def _configuration(root: Path, packages: tuple[Package, ...]) -> list[str]:
    try:
        known = find_config_files(root, [package.path for package in packages])
    except FlowHealthError:
        return []
    # What is not in a repository is not there in CI.
    return [file.label for file in known if not file.path.name.startswith(".env")]


def _can_be_written(value: object) -> bool:
    """Tell whether UTF-8 can encode a value: JSON may contain half of a surrogate pair."""
    texts = value if isinstance(value, list) else [value]
    return all(_is_whole(str(text)) for text in texts)


def _is_whole(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _is_repository(root: Path) -> bool:
    """Tell whether `root` is its repository's topmost folder, or in none."""
    above: Iterator[Path] = iter(root.parents)
    return (root / ".git").exists() or not any((folder / ".git").exists() for folder in above)

"""Finds the target and reads its configuration; the nearest source of a value wins."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pytest_flowhealth.config.decode import Decoder, Values, assembled
from pytest_flowhealth.config.environment import (
    read_environment,
    read_thresholds,
)
from pytest_flowhealth.config.fields import missing
from pytest_flowhealth.config.files import can_be_found, is_absent, read_text, reason
from pytest_flowhealth.config.limits import parse_threshold_option
from pytest_flowhealth.config.manifest import read_manifest
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.config.toml import NotToml, TooLarge, read_toml
from pytest_flowhealth.config.wording import hint, quoted, shown, usage_error
from pytest_flowhealth.errors import CheckFailed

__all__ = ["load_target", "locate", "parse_threshold_option", "presets"]

FILE = "flowhealth.toml"
PYPROJECT = "pyproject.toml"
TOOL = "flowhealth"


def locate(start: Path | None, cwd: Path) -> Path:
    """Return the target's folder, absolute: `start`, else the nearest one with a package.json.

    Raises:
        UsageError: `start` is no folder.
    """
    if start is not None:
        return _folder(cwd / start, str(start))
    here = cwd.resolve()
    return next((one for one in (here, *here.parents) if can_be_found(one / "package.json")), here)


def load_target(start: Path | None, environ: Mapping[str, str], cwd: Path) -> Target:
    """Return the target with its configuration.

    Nearest first: environment, flowhealth.toml (or pyproject.toml's
    [tool.flowhealth]), preset, default.

    Raises:
        UsageError: Something in them can't be meant; all of it is named.
    """
    root = locate(start, cwd)
    environment, problems = read_environment(environ)
    own, wrong = _own(root)
    problems += wrong
    preset, wrong = _preset(root, own | environment)
    problems += wrong
    values = preset | own | environment
    thresholds, wrong = read_thresholds(environ)
    problems += wrong
    problems += _absent_checks(root, values)
    problems += [f"{key} is not set, but others of its table are" for key in missing(values)]
    if problems:
        raise usage_error("the configuration can't be used", problems)
    sources = {key: one.source for key, one in values.items()}
    return Target(root, assembled(values), sources, thresholds)


def presets() -> dict[str, str]:
    """Return the text of each preset by its name."""
    folder = resources.files("pytest_flowhealth.config") / "presets"
    return {
        one.name.removesuffix(".toml"): one.read_text(encoding="utf-8")
        for one in folder.iterdir()
        if one.name.endswith(".toml")
    }


def _folder(path: Path, written: str) -> Path:
    try:
        if path.is_dir():
            return path.resolve(strict=True)
        what = "is no folder"
    except (OSError, ValueError, RuntimeError) as error:
        what = f"can't be looked at: {reason(error)}"
    raise usage_error(f"the project {shown(written)} {what}")


def _own(root: Path) -> tuple[Values, list[str]]:
    """Return what the target's own file sets."""
    own, wrong = _toml(root / FILE)
    has_file = not is_absent(root / FILE)
    section, also_wrong = _section(root / PYPROJECT)
    if section is None:
        # A broken pyproject.toml matters only where it may be ours.
        return _decoded(FILE, own, wrong if has_file else wrong + also_wrong)
    if has_file:
        return {}, [f"both {FILE} and {PYPROJECT}'s [tool.flowhealth] are there; keep one of them"]
    if not isinstance(section, dict):
        return {}, [f"{PYPROJECT}: [tool.flowhealth] must be a table"]
    return _decoded(PYPROJECT, section, also_wrong)


def _section(path: Path) -> tuple[object, list[str]]:
    """Return [tool.flowhealth] of a pyproject.toml, None where it has none, and what is wrong."""
    project, wrong = _toml(path, word=TOOL)
    tool = project.get("tool", {})
    return (tool.get(TOOL) if isinstance(tool, dict) else None), wrong


def _decoded(source: str, raw: dict[str, Any], wrong: list[str]) -> tuple[Values, list[str]]:
    decoder = Decoder(source)
    decoder.table(raw)
    return decoder.values, wrong + decoder.problems


def _toml(path: Path, word: str = "") -> tuple[dict[str, Any], list[str]]:
    """Return what a file says, nothing where it does not have `word` in it, and what is wrong."""
    if is_absent(path):
        return {}, []
    try:
        text = read_text(path)
        return (read_toml(text) if word in text else {}), []
    except CheckFailed as error:
        return {}, [error.message]
    except (TooLarge, NotToml) as error:
        return {}, [f"{path.name}: {error}"]


def _preset(root: Path, nearer: Values) -> tuple[Values, list[str]]:
    """Return what the preset sets: the one that is named, else the one with the package's name."""
    known = presets()
    named = nearer.get("preset")
    name = named.value if named else _package_name(root)
    if name not in known:
        if named is None or name is None:
            return {}, []
        return {}, [f"{named.source}: there is no preset {quoted(name)}; {hint(name, [*known])}"]
    decoder = Decoder(f"preset {name}")
    decoder.table(tomllib.loads(known[name]))
    return decoder.values, decoder.problems


def _package_name(root: Path) -> str | None:
    try:
        return read_manifest(root / "package.json").name
    except CheckFailed:
        # What is wrong with package.json is for its own check to say.
        return None


def _absent_checks(root: Path, values: Values) -> list[str]:
    if "checks" not in values:
        return []
    paths, source = values["checks"]
    return [
        f"{source}: checks: {quoted(path)} is not there"
        for path in paths
        if not can_be_found(root / path)
    ]

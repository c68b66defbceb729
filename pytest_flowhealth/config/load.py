"""Find the target and load its configuration from the environment, its file, and a preset."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pytest_flowhealth.config.decode import Decoder, Values, build, find_missing
from pytest_flowhealth.config.environment import read_environment, read_thresholds
from pytest_flowhealth.config.files import can_be_found, is_absent, read_text, reason
from pytest_flowhealth.config.limits import parse_threshold_option
from pytest_flowhealth.config.manifest import read_manifest
from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.problems import quote, shorten, suggest, usage_error
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import CheckFailed

__all__ = ["load_target", "locate", "parse_threshold_option", "presets"]

FILE = "flowhealth.toml"
PYPROJECT = "pyproject.toml"
TOOL = "flowhealth"


def locate(start: Path | None, cwd: Path) -> Path:
    """Return the target's folder, absolute: `start`, or the nearest one with a package.json.

    Raises:
        UsageError: `start` is not a folder.
    """
    if start is not None:
        return _resolve_folder(cwd / start, str(start))
    here = cwd.resolve()
    folders = (here, *here.parents)
    return next((each for each in folders if can_be_found(each / "package.json")), here)


def load_target(start: Path | None, environ: Mapping[str, str], cwd: Path) -> Target:
    """Return the target with its configuration.

    The first source of a value wins: environment, flowhealth.toml (or [tool.flowhealth] of
    pyproject.toml), preset, default.

    Raises:
        UsageError: The configuration is invalid; the error lists all problems.
    """
    root = locate(start, cwd)
    environment, problems = read_environment(environ)
    thresholds, found = read_thresholds(environ)
    problems += found
    own, found = _read_project(root)
    problems += found
    preset, found = _read_preset(root, own | environment)
    problems += found
    values = preset | own | environment
    problems += _find_absent_checks(root, values)
    problems += [
        f"{key} is not set, but other keys of its table are" for key in find_missing(values)
    ]
    if problems:
        raise usage_error("the configuration is invalid", problems)
    sources = {key: each.source for key, each in values.items()}
    return Target(root, build(values, Configuration), sources, thresholds)


def presets() -> dict[str, str]:
    """Return the text of each preset by its name."""
    folder = resources.files("pytest_flowhealth.config") / "presets"
    return {
        file.name.removesuffix(".toml"): file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    }


def parse_toml(text: str) -> dict[str, Any]:
    """Return the content of a TOML document.

    Raises:
        ValueError: It is not valid TOML; the message says where.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("brackets are nested too deeply") from None


def _resolve_folder(path: Path, written: str) -> Path:
    try:
        if path.is_dir():
            return path.resolve(strict=True)
        problem = "is not a folder"
    except (OSError, ValueError, RuntimeError) as error:
        problem = f"can't be opened: {reason(error)}"
    raise usage_error(f"the project {shorten(written)} {problem}")


def _read_project(root: Path) -> tuple[Values, list[str]]:
    """Return what the project's own file sets, and the problems that were found."""
    own, problems = _read_toml(root / FILE)
    project, pyproject_problems = _read_toml(root / PYPROJECT, word=TOOL)
    tool = project.get("tool", {})
    section = tool.get(TOOL) if isinstance(tool, dict) else None
    has_file = not is_absent(root / FILE)
    if section is None:
        # An invalid pyproject.toml matters only if it may be the project's configuration.
        return _decode(FILE, own, problems if has_file else problems + pyproject_problems)
    if has_file:
        return {}, [f"there are both {FILE} and [tool.flowhealth] of {PYPROJECT}; keep one of them"]
    if not isinstance(section, dict):
        return {}, [f"{PYPROJECT}: [tool.flowhealth] must be a table"]
    return _decode(PYPROJECT, section, pyproject_problems)


def _read_toml(path: Path, word: str = "") -> tuple[dict[str, Any], list[str]]:
    """Return the content of a file, empty if it is absent or does not contain `word`, and problems."""
    if is_absent(path):
        return {}, []
    try:
        text = read_text(path)
        return (parse_toml(text) if word in text else {}), []
    except CheckFailed as error:
        return {}, [error.message]
    except ValueError as error:
        return {}, [f"{path.name}: {error}"]


def _read_preset(root: Path, nearer: Values) -> tuple[Values, list[str]]:
    """Return what the preset sets: the one that is named, or the one with the package's name."""
    known = presets()
    named = nearer.get("preset")
    name = named.value if named else _read_package_name(root)
    if name not in known:
        if named is None or name is None:
            return {}, []
        return {}, [f"{named.source}: there is no preset {quote(name)}; {suggest(name, [*known])}"]
    return _decode(f"preset {name}", tomllib.loads(known[name]), [])


def _decode(source: str, raw: dict[str, Any], problems: list[str]) -> tuple[Values, list[str]]:
    decoder = Decoder(source)
    decoder.table(raw)
    return decoder.values, problems + decoder.problems


def _read_package_name(root: Path) -> str | None:
    try:
        return read_manifest(root / "package.json").name
    except CheckFailed:
        # The check package.json reports what is wrong with it.
        return None


def _find_absent_checks(root: Path, values: Values) -> list[str]:
    if "checks" not in values:
        return []
    paths, source = values["checks"]
    return [
        f"{source}: checks: {quote(path)} does not exist"
        for path in paths
        if not can_be_found(root / path)
    ]

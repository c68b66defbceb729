"""The sources that a framework's own configuration names, and its start command refuses to run without."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def configured_sources(
    program: str, command: str, words: Sequence[str], folder: Path
) -> tuple[str, ...]:
    """Return paths below `folder` (`|`: or) that `nest start` and `ng serve` build from.

    Args:
        program: Such as "ng".
        command: Its first argument.
        words: The arguments after it that are no options.
        folder: Where it runs.
    """
    if (program, command) == ("nest", "start"):
        return _nest_sources(_read(folder / "nest-cli.json"))
    if (program, command) == ("ng", "serve"):
        return _angular_sources(_read(folder / "angular.json"), words[0] if words else None)
    return ()


def _nest_sources(settings: dict[str, Any] | None) -> tuple[str, ...]:
    if settings is None or settings.get("monorepo") or settings.get("projects"):
        return ()
    root, entry = settings.get("sourceRoot", "src"), settings.get("entryFile", "main")
    if not (isinstance(root, str) and isinstance(entry, str)):
        return ()
    return ("|".join(f"{root}/{entry}.{ending}" for ending in ("ts", "js", "tsx")),)


def _angular_sources(settings: dict[str, Any] | None, name: str | None) -> tuple[str, ...]:
    """Return the entry file of the project that is served: the named one, else the only one."""
    projects = (settings or {}).get("projects")
    if not isinstance(projects, dict):
        return ()
    found = projects.get(name) if name else next(iter(projects.values()), None)
    if not name and len(projects) != 1:
        return ()
    for key in ("architect", "build", "options"):
        found = found.get(key) if isinstance(found, dict) else None
    options = found if isinstance(found, dict) else {}
    entries = (options.get(key) for key in ("browser", "main", "index"))
    return tuple(entry for entry in entries if isinstance(entry, str) and entry)


def _read(path: Path) -> dict[str, Any] | None:
    """Return a file of JSON with comments, {} where there is none, None where it can't be read."""
    import pyjson5

    try:
        value = pyjson5.decode(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, pyjson5.Json5DecoderException):
        return None
    return value if isinstance(value, dict) else None

"""Look for what a start script's command needs: files, folders, a framework's output."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from pytest_flowhealth.probes.project.command_needs import Need
from pytest_flowhealth.probes.project.start_programs import FrameworkOutput

_PAGE_MANIFESTS = ("server/app-paths-manifest.json", "server/pages-manifest.json")
"""Where Next's build lists its pages, beside its list of files."""


class MissingFile(msgspec.Struct, frozen=True):
    """A file that must exist and does not, and the sentence that says so."""

    path: Path
    message: str


def find_needed_files(need: Need, resolved: str | None) -> tuple[MissingFile | None, list[Path]]:
    """Return what is missing, or the files that were found; none of a folder."""
    if need.output:
        return _find_output(need.output, need.folder)
    if need.kind in {"module", "main"}:
        shown = need.path or "the file that main names"
        missing = MissingFile(need.folder / need.path, f"{shown} is missing")
        return (None, [Path(resolved)]) if resolved else (missing, [])
    places = [need.folder / path for path in need.path.split("|")]
    found = [place for place in places if file_exists(place)]
    shown = need.path.replace("|", " or ")
    if not found:
        return MissingFile(places[0], f"{shown} is missing"), []
    empty = need.kind == "folder" and not has_content(found[0])
    missing = MissingFile(places[0], f"{shown} is an empty folder")
    return (missing, []) if empty else (None, found if need.kind == "file" else [])


def _find_output(output: FrameworkOutput, folder: Path) -> tuple[MissingFile | None, list[Path]]:
    places = [folder / name for name in output.files]
    found = next((place for place in places if has_content(place)), None)
    if found is None and output.list_file:
        found = _moved_output(folder, places[0].name)
    shown = f"the output of {output.name}"
    if found is None:
        return MissingFile(places[0], f"{output.files[0]}, {shown}, is missing"), []
    missing = _missing_of_page(output, folder, found)
    if missing:
        return MissingFile(found, missing), []
    if not output.list_file:
        return None, [found] if found.is_file() else []
    name = _missing_of_list(found.with_name(Path(output.list_file).name), folder)
    if name:
        return MissingFile(folder / name, f"{name}, a part of {shown}, is missing"), []
    server = folder / "server.js"
    return None, [found, server] if server.is_file() else [found]


def _missing_of_page(output: FrameworkOutput, folder: Path, found: Path) -> str | None:
    """Return what is missing of the page that an output has, as a sentence."""
    if not (output.page and (folder / output.page).is_file() and found.is_dir()):
        return None
    if any(_is_set(word, output, folder) for word in output.other_pages):
        return None
    page = (found / output.page).relative_to(folder).as_posix()
    if not (found / output.page).is_file():
        return f"{page}, a part of the output of {output.name}, is missing"
    asset = find_missing_asset(found / output.page)
    return f"{asset}, which {page} loads, is missing" if asset else None


def _moved_output(folder: Path, name: str) -> Path | None:
    """Return the file of that name that is not too far below a folder."""
    found = (path for depth in range(1, 4) for path in folder.glob("*/" * depth + name))
    return next((path for path in found if "node_modules" not in path.parts), None)


def _missing_of_list(path: Path, folder: Path) -> str | None:
    """Return the first file that a build says is required, and that is missing."""
    listed = _read_json(path)
    if listed is None:
        return path.relative_to(folder).as_posix()
    names = listed.get("files", []) if isinstance(listed, dict) else []
    wanted = [name for name in names if isinstance(name, str)]
    for manifest in _PAGE_MANIFESTS:
        pages = _read_json(path.parent / manifest)
        values = pages.values() if isinstance(pages, dict) else ()
        base = path.parent.relative_to(folder).as_posix()
        wanted += [f"{base}/server/{page}" for page in values if isinstance(page, str)]
    if _at(listed, "config", "output") == "standalone" and not is_installed(folder, "next"):
        # A standalone output is started by the server that the build has put beside it.
        wanted.append("server.js")
    return next((name for name in wanted if not (folder / name).exists()), None)


def _read_json(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None


class _AssetReader(HTMLParser):
    """Collects the modules and the styles that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note what a build has written: a script that is no module may be made where it runs."""
        named = dict(attributes)
        is_module = tag == "script" and named.get("type") == "module"
        is_linked = tag == "link" and named.get("rel") in {"modulepreload", "stylesheet"}
        if is_module or is_linked:
            self.paths.append(named.get("src" if is_module else "href") or "")


def find_missing_asset(page: Path) -> str | None:
    """Return the first module or style of a built page that is not in its folder.

    Where the page is to be found below another path (Vite's `base`), that is in front of theirs.
    """
    reader = _AssetReader()
    reader.feed(_text(page))
    for path in reader.paths:
        parts = PurePosixPath(path.partition("?")[0]).parts
        if not path or ":" in path or path.startswith("//") or ".." in parts:
            continue
        if not any(page.parent.joinpath(*parts[at:]).is_file() for at in range(len(parts)) if parts[at] != "/"):  # fmt: skip
            return path
    return None


def is_installed(folder: Path, program: str) -> bool:
    """Tell whether a script that runs in `folder` finds a program in some node_modules/.bin."""
    return any(
        (each / "node_modules/.bin" / program).exists() for each in (folder, *folder.parents)
    )


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def is_output_moved(output: FrameworkOutput, folder: Path) -> bool:
    """Tell whether a framework's configuration names another folder for its output."""
    return bool(output.setting) and _is_set(output.setting, output, folder)


def _is_set(word: str, output: FrameworkOutput, folder: Path) -> bool:
    """Tell whether a framework's configuration has a word."""
    return any(word in _text(folder / name) for name in output.configs)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def file_exists(path: Path) -> bool:
    """Tell whether there is something at a path; False where that can't be looked at."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def has_content(path: Path) -> bool:
    """Tell whether a path is a file, or a folder that is not empty."""
    try:
        return path.is_file() or any(path.iterdir())
    except OSError:
        return False

"""Whether the files that start a project, or that it is loaded by, exist and are whole.

What must exist is decided by the start scripts (`start_commands`) and by the fields of package.json
(`entry_points`), for each package of the project. A field that nothing uses is no evidence of a fault:
where a start script decides how an application starts, its `main` is not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pytest_flowhealth.config.files import kind_of, reason
from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes.project.command_needs import Need
from pytest_flowhealth.probes.project.entry_points import (
    DEFAULT_MAIN,
    EntryPoint,
    entry_points,
    export_patterns,
)
from pytest_flowhealth.probes.project.layout import Layout, ProjectPackage
from pytest_flowhealth.probes.project.needed_files import (
    file_exists,
    find_needed_files,
    is_output_moved,
)
from pytest_flowhealth.probes.project.npm_project import NpmProject
from pytest_flowhealth.probes.project.restore import find_remedy
from pytest_flowhealth.probes.project.source_file import SourceFile
from pytest_flowhealth.probes.project.start_commands import (
    StartPlan,
    read_start_plan,
    scripts_of,
)
from pytest_flowhealth.probes.project.syntax import (
    PARSED_ENDINGS,
    TYPED_ENDINGS,
    Runner,
    parse_files,
)

_BUNDLED = re.compile(r"^(?:react|react-native|expo|preact|solid-js|vue|svelte|next)$")
_BUILT_AT_START = re.compile(r"\belectron-(?:forge|vite)\b")
_DEPENDENCIES = ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies")
_DECLARATIONS = (".d.ts", ".d.mts", ".d.cts")
_EMPTY_LOOK = 1 << 20
_NAMED_AT_ONCE = 10


class BuildProblem(msgspec.Struct, frozen=True):
    """A file that is missing or broken; the first of several also has the remedy, if one is known."""

    message: str
    remedy: str | None = None


class BuildState(msgspec.Struct, frozen=True):
    """The files that start or load a project's packages.

    Attributes:
        files: Those that exist and are whole, with who reads each.
        problems: Those that are missing or broken, where that keeps a package from working.
        warnings: The same where it need not: nothing is known to use the file, or an earlier command
            may create it.
        undecided: Commands of the start scripts of which it is not known what they need.
        unused: The same as `warnings` where another file starts the package.
        scripts: The start scripts that were read.
        folders: Folders and sources that exist, and are not parsed.
        is_empty: Whether nothing names a file at all.
    """

    files: list[tuple[SourceFile, Runner]]
    problems: list[BuildProblem]
    warnings: list[BuildProblem]
    undecided: list[str]
    unused: list[str]
    scripts: list[str]
    folders: list[str]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look at."""
        return not (self.files or self.folders or self.problems or self.warnings)


class ParsedFiles(msgspec.Struct, frozen=True):
    """What came of parsing files.

    Attributes:
        count: How many were parsed, or should have been.
        errors: CheckFailed for a broken file, MeasurementUnavailable for one of which nothing is known.
        warnings: Files that Node does not parse, and that a tool may.
        unparsed: TypeScript that nothing here can read: a package may have its sources read elsewhere.
        remedy: The command that brings a broken file back, if it is known.
    """

    count: int
    errors: list[FlowHealthError]
    warnings: list[str]
    unparsed: list[str]
    remedy: str | None = None


class _Resolved(msgspec.Struct, frozen=True):
    files: list[str | None]


def find_build(project: NpmProject, artifacts: Sequence[str] | None = None) -> BuildState:
    """Look for the files that start the project and its workspaces, or that they are loaded by.

    Args:
        project: The project.
        artifacts: Paths and glob patterns, relative to it, that take the place of what package.json
            says.

    Raises:
        CheckFailed: package.json can't be read.
        MeasurementUnavailable: Node gave no answer.
    """
    layout = project.layout()
    finder = _Finder(project, layout)
    if artifacts is not None:
        for pattern in artifacts:
            finder.find_pattern(pattern)
        return finder.state
    for package in layout.packages:
        finder.find_package(package)
    return finder.state


def parse_build(project: NpmProject, state: BuildState) -> ParsedFiles:
    """Parse the files that were found."""
    files = [
        (file, runner)
        for file, runner in state.files
        if file.path.suffix in PARSED_ENDINGS or not file.path.suffix
    ]
    errors: list[FlowHealthError] = []
    warnings: list[str] = []
    unparsed: list[str] = []
    remedy = None
    results = parse_files(project, files)
    for (file, runner), error in zip(files, results, strict=True):
        if isinstance(error, MeasurementUnavailable) and file.path.suffix in TYPED_ENDINGS:
            unparsed.append(error.message)
        elif isinstance(error, MeasurementUnavailable) and runner in {"tool", "tsx"}:
            warnings.append(error.message)
        elif error:
            errors.append(error)
        if isinstance(error, CheckFailed) and remedy is None:
            remedy = find_remedy(project.root, project.layout(), file.path)
    return ParsedFiles(len(files), errors, warnings, unparsed, remedy)


class _Finder:
    """Collects what is found of the packages, one after another."""

    def __init__(self, project: NpmProject, layout: Layout) -> None:
        self.state = BuildState([], [], [], [], [], [], [])
        self._project = project
        self._root = Path(layout.folder)
        self._layout = layout
        self._seen: set[Path] = set()

    def find_pattern(self, pattern: str) -> None:
        """Look for files by a path, or by a glob pattern."""
        exact = self._root / pattern
        found = [exact] if file_exists(exact) else sorted(_glob(self._root, pattern))
        if not found:
            self._report(f"{pattern} (build.artifacts) is missing", exact, is_certain=True)
        problems = [self._add(path, "build.artifacts", "either") for path in found]
        broken = [problem for problem in problems if problem]
        if broken and len(broken) == len(found):
            self._report(broken[0], found[0], is_certain=True)

    def find_package(self, package: ProjectPackage) -> None:
        """Look for what starts a package, and for what it is loaded by."""
        plan = read_start_plan(package, self._layout.packages)
        self.state.undecided.extend(plan.undecided)
        self.state.scripts.extend(plan.scripts)
        self._find_needs(plan)
        for entry in entry_points(package.manifest):
            self._find_entry(package, entry, plan)
        self._find_patterns(package, plan)

    def _find_needs(self, plan: StartPlan) -> None:
        needs = [*plan.needs, *plan.builds]
        resolvable = [need for need in needs if need.kind in {"module", "main"}]
        resolved = dict(zip(map(id, resolvable), self._resolve(resolvable), strict=True))
        for need in needs:
            missing, found = find_needed_files(need, resolved.get(id(need)))
            if missing:
                problem: str | None = f"{missing.message} ({need.origin}: {need.command})"
            else:
                problems = [self._add(path, need.origin, need.runner) for path in found]
                problem = next(filter(None, problems), None)
                self.state.folders.extend([] if found else [need.path or need.command])
            if problem is None or need in plan.builds:
                continue
            place = missing.path if missing else found[0]
            moved = need.output is not None and is_output_moved(need.output, need.folder)
            self._report(problem, place, is_certain=need.certain and not moved)

    def _resolve(self, needs: Sequence[Need]) -> list[str | None]:
        if not needs:
            return []
        entries = [
            {
                "folder": str(need.folder),
                "path": need.path if need.kind == "module" else None,
                "tool": need.runner != "node",
            }
            for need in needs
        ]
        return self._project.ask("resolve", _Resolved, seconds=30, entries=entries).files

    def _find_entry(self, package: ProjectPackage, entry: EntryPoint, plan: StartPlan) -> None:
        folder = Path(package.folder)
        shown = entry.paths[0].removeprefix("./")
        below = shown if package.label == "." else f"{package.label}/{shown}"
        path = _file_of(folder, entry)
        if entry.field == "main" and path is None:
            path = self._main_elsewhere(folder, entry)
        if entry.field.startswith("exports") and not any(
            each.startswith("./") for each in entry.paths
        ):
            problem: str | None = (
                f"{below} ({entry.field}): Node takes only paths that begin with ./"
            )
        elif path is None:
            problem = f"{below} ({entry.field}) is missing"
        else:
            problem = self._add(path, entry.field, self._reader(package, entry))
        if problem is None:
            return
        uses = self._use_of(package, entry, plan)
        if uses != "unused":
            self._report(problem, path or folder / entry.paths[0], is_certain=uses == "needed")
        else:
            self.state.unused.append(problem)

    def _find_patterns(self, package: ProjectPackage, plan: StartPlan) -> None:
        """Report patterns of `exports` if none of a package's has a file: nothing was built."""
        patterns = export_patterns(package.manifest)
        folder = Path(package.folder)
        if not patterns or any(_has_match(folder, pattern) for pattern in patterns):
            return
        below = "" if package.label == "." else f"{package.label}/"
        shown = patterns[0].removeprefix("./")
        certain = self._use_of(package, EntryPoint("exports", ()), plan) == "needed"
        message = f"{below}{shown} (exports) matches no file"
        self._report(message, folder / patterns[0].partition("*")[0], is_certain=certain)

    def _main_elsewhere(self, folder: Path, entry: EntryPoint) -> Path | None:
        """Return the file of `main` where its framework finds it: in a package, or with types."""
        need = Need("main", "main", folder, "main", entry.paths[0], runner="tool")
        (found,) = self._resolve([need])
        # Node falls back to index.js where `main` names nothing, which is not what it names.
        if found is None or Path(found) == folder / DEFAULT_MAIN:
            return None
        return Path(found)

    def _use_of(self, package: ProjectPackage, entry: EntryPoint, plan: StartPlan) -> str:
        """Return "needed", "unknown" or "unused"."""
        manifest = package.manifest
        texts = " ".join(scripts_of(package).get(name, "") for name in ("start", "serve"))
        is_default = entry.field == "main" and entry.paths[0].removeprefix("./") == DEFAULT_MAIN
        if _BUILT_AT_START.search(texts) or (is_default and plan.scripts):
            return "unused"
        if entry.is_types or is_default or entry.field == "module":
            return "unknown"
        if self._is_depended_on(manifest.get("name")):
            return "needed"
        return "unknown" if plan.scripts else "needed"

    def _is_depended_on(self, name: object) -> bool:
        return any(name in _dependencies(package.manifest) for package in self._layout.packages)

    def _reader(self, package: ProjectPackage, entry: EntryPoint) -> Runner:
        if entry.field.startswith("bin"):
            return "node"
        bundled = any(map(_BUNDLED.match, _dependencies(package.manifest)))
        return "tool" if bundled else "either"

    def _add(self, path: Path, field: str, runner: Runner) -> str | None:
        """Add a file that exists, or return what is wrong with it."""
        if path in self._seen:
            return None
        file = SourceFile.below(self._root, path)
        problem = _problem_of(path)
        if problem:
            return f"{file.label} ({field}) {problem}"
        self._seen.add(path)
        self.state.files.append((file, runner))
        return None

    def _report(self, message: str, path: Path, *, is_certain: bool) -> None:
        problems = self.state.problems if is_certain else self.state.warnings
        if all(problem.message != message for problem in problems):
            # One remedy is shown, and each file of which git is asked takes some milliseconds.
            is_wanted = len(problems) < _NAMED_AT_ONCE and not any(each.remedy for each in problems)
            remedy = find_remedy(self._root, self._layout, path) if is_wanted else None
            problems.append(BuildProblem(message, remedy))


def _dependencies(manifest: dict[str, Any]) -> set[str]:
    fields = (manifest.get(field) for field in _DEPENDENCIES)
    return {name for field in fields if isinstance(field, dict) for name in field}


def _file_of(folder: Path, entry: EntryPoint) -> Path | None:
    """Return the file of an entry point where it exists, whatever kind of file it is."""
    for path in entry.paths:
        for ending in entry.endings:
            place = Path(os.path.normpath(folder / (path.rstrip("/") + ending)))
            if file_exists(place) and (len(entry.endings) == 1 or not place.is_dir()):
                return place
    return None


def _has_match(folder: Path, pattern: str) -> bool:
    """Tell whether a file has a path with the text before and after the `*` of a pattern."""
    before, _, after = pattern.removeprefix("./").partition("*")
    after = after.replace("*", "").rpartition("/")[2]
    top = folder / before.rpartition("/")[0]
    for parent, names, files in os.walk(top):
        names[:] = [name for name in names if name not in {"node_modules", ".git"}]
        below = Path(parent).relative_to(folder).as_posix()
        if any(f"{below}/{name}".removeprefix("./").startswith(before) and name.endswith(after) for name in files):  # fmt: skip
            return True
    return False


def _glob(root: Path, pattern: str) -> Iterator[Path]:
    try:
        for path in root.glob(pattern):
            if not {"node_modules", ".."} & set(path.relative_to(root).parts):
                yield path
    except (ValueError, NotImplementedError, OSError):
        return


def _problem_of(path: Path) -> str | None:
    """Return what is wrong with a file that exists: no regular file, empty, or unreadable."""
    try:
        status = path.stat()
        other = kind_of(status)
        if other:
            return f"is {other}, not a file"
        if not path.name.endswith(_DECLARATIONS) and _is_blank(path, status):
            return "is empty"
    except (OSError, ValueError) as error:
        return f"can't be read: {reason(error)}"
    return None


def _is_blank(path: Path, status: os.stat_result) -> bool:
    """Tell whether a file has nothing but white space in its first MiB."""
    if not status.st_size:
        return True
    with path.open("rb") as file:
        return not file.read(_EMPTY_LOOK).removeprefix(b"\xef\xbb\xbf").strip()

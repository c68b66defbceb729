"""The plan of `flowhealth init`: which files it would write. `files` writes them."""

from __future__ import annotations

import stat
from importlib import resources
from pathlib import Path
from string import Template

import msgspec

from pytest_flowhealth.config.files import is_absent, read_bytes
from pytest_flowhealth.config.load import FILE, PYPROJECT, TOOL, parse_toml
from pytest_flowhealth.config.reference import SCHEMA, read_schema
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed, FlowHealthError, UsageError
from pytest_flowhealth.scaffold.package_scripts import add_scripts
from pytest_flowhealth.scaffold.project import ProjectInfo, inspect_project
from pytest_flowhealth.scaffold.settings_text import settings_text

MANIFEST = "package.json"
CHECK = "health/test_app.py"
WORKFLOW = ".github/workflows/health.yml"
UNIT = "deploy/flowhealth.service"
FORMS = tuple(
    f".github/ISSUE_TEMPLATE/{name}.yml"
    for name in ("bug_report", "feature_request", "installation_issue")
)
SCRIPTS = {
    "monitor:dashboard": "flowhealth monitor --web",
    "monitor:health": "pytest -p flowhealth --health",
    "monitor:performance": "pytest -p flowhealth --health --health-history sqlite:///.flowhealth/history.db --health-compare",
    "monitor:npm": "pytest -p flowhealth --health --health-component npm",
    "monitor:all": "pytest -p flowhealth --health --health-all",
}
"""The npm scripts, by their names."""

_BOM = b"\xef\xbb\xbf"
_ENDINGS = (".md", ".yaml")


class Change(msgspec.Struct, frozen=True):
    """A file to write: `path` relative to the root, with slashes; `before` is None for a new file."""

    path: str
    before: bytes | None
    after: bytes


class Plan(msgspec.Struct, frozen=True):
    """What `flowhealth init` would do.

    Attributes:
        root: The project's folder.
        changes: The files to be written, in this order: package.json last.
        skipped: What stays as it is, one line each, with the reason.
        hints: Further advice, one line each.
    """

    root: Path
    changes: tuple[Change, ...] = ()
    skipped: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


def plan(root: Path) -> Plan:
    """Return what `flowhealth init` would do in `root`; changes nothing, runs nothing.

    Raises:
        UsageError: There is no package.json, it is broken, or a file can't be where it should
            be; all of it is named.
    """
    try:
        found = inspect_project(root)
        manifest = read_bytes(root / MANIFEST)
    except FlowHealthError as error:
        raise UsageError(_with_remedy(f"flowhealth init: {error.message}", error.remedy)) from None
    planner = _Planner(root)
    _settings(planner, found)
    planner.file(CHECK, _fill_template(f"checks/{found.kind}.py"))
    if found.repository:
        _github(planner, found)
    else:
        planner.hints.append(
            ".github is left out: GitHub reads only that of the repository's topmost folder"
        )
    planner.file(UNIT, service_unit(found.word, redis=found.redis is not None))
    _scripts(planner, manifest)
    if planner.problems:
        raise UsageError("flowhealth init: nothing was written", problems=planner.problems)
    return Plan(root, tuple(planner.changes), tuple(planner.skipped), tuple(planner.hints))


def service_unit(word: str, *, redis: bool) -> str:
    """Return the systemd unit of a monitor for the application `word`; docs/deployment.md shows it."""
    return _fill_template(
        "flowhealth.service", word=word, redis=" redis-server.service" if redis else ""
    )


def _with_remedy(message: str, remedy: str | None) -> str:
    return f"{message} ({remedy})" if remedy else message


def _fill_template(name: str, **words: str) -> str:
    folder = resources.files("pytest_flowhealth.scaffold") / "templates"
    text = (folder / f"{name}.txt").read_text(encoding="utf-8")
    # Checks are plain Python, with dollars of their own.
    return text if name.startswith("checks/") else Template(text).substitute(words)


class _Planner:
    """Collects changes, and the obstacles to them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.changes: list[Change] = []
        self.skipped: list[str] = []
        self.hints: list[str] = []
        self.problems: list[str] = []

    def file(self, path: str, text: str) -> None:
        """Plan a new file; an existing file with other content is skipped."""
        problem = find_obstacle(self.root, path)
        if problem:
            self.problems.append(problem)
        elif is_absent(self.root / path):
            self.changes.append(Change(path, None, text.encode()))
        else:
            self._compare(path, text)

    def _compare(self, path: str, text: str) -> None:
        try:
            same = read_bytes(self.root / path, path) == text.encode()
        except CheckFailed as error:
            self.problems.append(error.message)
            return
        if not same:
            self.skipped.append(f"{path} is there already and says something else")


def find_obstacle(root: Path, path: str) -> str | None:
    """Return why the file `path` can't be written: a link out of the project, a file in place of a folder.

    Args:
        root: The project's folder.
        path: Relative to it, with slashes.
    """
    base = root.resolve()
    place = root
    for part in path.split("/"):
        place /= part
        label = place.relative_to(root).as_posix()
        try:
            status = place.stat()
            end = place.resolve(strict=True)
        except FileNotFoundError:
            return f"{label} is a link that leads nowhere" if place.is_symlink() else None
        except (OSError, RuntimeError) as error:
            return f"{label} can't be looked at: {getattr(error, 'strerror', None) or error}"
        if not end.is_relative_to(base):
            return f"{label} is a link that leads out of the project, to {one_line(str(end), 200)}"
        if label != path and not stat.S_ISDIR(status.st_mode):
            return f"{label} is in the way: it is no folder"
    return None


def _settings(planner: _Planner, found: ProjectInfo) -> None:
    """Plan flowhealth.toml and the schema that it names, unless the settings are elsewhere."""
    pyproject = planner.root / PYPROJECT
    checks = None
    if _tool(pyproject) is not None:
        planner.skipped.append(
            f"{FILE} is left out: the settings are in {PYPROJECT}'s [tool.{TOOL}]"
        )
        checks = _tool(pyproject)
    else:
        planner.file(FILE, settings_text(found))
        if is_absent(planner.root / FILE):
            planner.file(SCHEMA, read_schema())
        else:
            checks = _read_toml_file(planner.root / FILE)
    if checks is not None and not any(str(path).startswith("health") for path in _checks(checks)):
        planner.hints.append(
            f'for {CHECK} to be run by `pytest --health`, add to the settings: checks = ["health/"]'
        )


def _tool(pyproject: Path) -> dict[str, object] | None:
    tool = (_read_toml_file(pyproject) or {}).get("tool")
    section = tool.get(TOOL) if isinstance(tool, dict) else None
    return section if isinstance(section, dict) else None


def _read_toml_file(path: Path) -> dict[str, object] | None:
    """Return the content of a TOML file; None if it is absent or invalid."""
    try:
        return parse_toml(read_bytes(path).decode())
    except (CheckFailed, ValueError):
        return None


def _checks(settings: dict[str, object]) -> list[object]:
    checks = settings.get("checks")
    return checks if isinstance(checks, list) else []


_REDIS = """    services:
      redis:
        image: redis:7
        ports: ["6379:6379"]
        options: --health-cmd "redis-cli ping" --health-interval 2s --health-retries 15
    env:
      REDIS_URL: redis://127.0.0.1:6379/0
"""


_MATRIX = """    strategy:
      fail-fast: false
      matrix:
        node: ["20", "22", "24"]
"""
"""Node's LTS releases, for a project whose package.json requires none."""


def _github(planner: _Planner, found: ProjectInfo) -> None:
    install = "npm ci" if found.locked else "npm install"
    node = {"matrix": _MATRIX, "node": "node-version: ${{ matrix.node }}"}
    if found.requires_node:
        # The action reads the range by npm's own rules.
        node = {"matrix": "", "node": "node-version-file: package.json"}
    for path in (*FORMS, WORKFLOW):
        other = _find_alternative(planner.root, path)
        if other:
            planner.skipped.append(f"{other} is there already; {path} is left out")
            continue
        name = f"github/{path.rpartition('/')[2]}"
        services = _REDIS if found.redis is not None else ""
        planner.file(path, _fill_template(name, install=install, services=services, **node))


def _find_alternative(root: Path, path: str) -> str | None:
    """Return an existing file with the same name and another ending; GitHub reads both."""
    base = path.removesuffix(".yml")
    return next((base + end for end in _ENDINGS if not is_absent(root / f"{base}{end}")), None)


def _scripts(planner: _Planner, manifest: bytes) -> None:
    problem = find_obstacle(planner.root, MANIFEST)
    if problem:
        planner.problems.append(problem)
        return
    mark = _BOM if manifest.startswith(_BOM) else b""
    try:
        done = add_scripts(manifest.removeprefix(_BOM).decode(), SCRIPTS)
    except UsageError as error:
        planner.problems.append(error.message)
        return
    for name, command in done.conflicts.items():
        planner.skipped.append(f"the script {name} in {MANIFEST} says: {one_line(command, 200)}")
    after = mark + done.text.encode()
    if after != manifest:
        planner.changes.append(Change(MANIFEST, manifest, after))

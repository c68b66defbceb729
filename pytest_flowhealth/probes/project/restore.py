"""The command that brings a missing or broken file back, if there is one."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from pytest_flowhealth.errors import FlowHealthError
from pytest_flowhealth.probes import command
from pytest_flowhealth.probes.project.layout import Layout, ProjectPackage
from pytest_flowhealth.probes.project.needed_files import is_installed
from pytest_flowhealth.probes.project.start_commands import scripts_of, split_commands

GIT_SECONDS = 5.0

_DELEGATION = re.compile(
    r"\b(?:turbo|nx|lerna|foreach)\b|(?:^|\s)(?:-r|-ws|--recursive|--workspaces|--filter)\b"
)


def find_remedy(root: Path, layout: Layout | None, path: Path) -> str | None:
    """Return what restores a file: git, where it is kept there and has changed, or a build.

    Args:
        root: The project's folder, in which the command is typed.
        layout: The project's packages; without it, no build is known.
        path: The file, which need not exist.
    """
    if _git(root, "ls-files", "--error-unmatch", "--", str(path)) == 0:
        changed = _git(root, "diff", "--quiet", "HEAD", "--", str(path)) == 1
        shown = path.relative_to(root) if path.is_relative_to(root) else path
        return f"git checkout -- {shlex.quote(str(shown))}" if changed else None
    if layout is None or "node_modules" in path.parts or path.name.startswith(".env"):
        return None
    return find_build_command(layout, path)


def find_build_command(layout: Layout, path: Path) -> str | None:
    """Return the command that builds the package of a file.

    None if it has no such script, or one whose program is not installed.
    """
    manager = layout.manager or "npm"
    root = layout.packages[0]
    package = _package_of(layout, path)
    if _can_build(root) and not (
        _delegates(root) and package and "build" not in scripts_of(package)
    ):
        return f"{manager} run build"
    if package is None or not _can_build(package):
        return None
    folder = shlex.quote(package.label)
    commands = {
        "npm": f"npm run build --workspace={folder}",
        "pnpm": f"pnpm --dir {folder} run build",
    }
    return commands.get(manager, f"cd {folder} && {manager} run build")


def _delegates(root: ProjectPackage) -> bool:
    """Tell whether the build script runs those of the workspaces, and so builds none without one."""
    return _DELEGATION.search(scripts_of(root).get("build", "")) is not None


def _can_build(package: ProjectPackage) -> bool:
    """Tell whether there is a build script, and its first program is installed."""
    commands = split_commands(scripts_of(package).get("build", ""))
    program = commands[0][0] if commands else ""
    folder = Path(package.folder)
    return bool(program) and (
        "=" in program
        or shutil.which(program) is not None
        or (folder / program).exists()
        or is_installed(folder, program)
    )


def _package_of(layout: Layout, path: Path) -> ProjectPackage | None:
    folders = [each for each in layout.packages if path.is_relative_to(each.folder)]
    return max(folders, key=lambda package: len(package.folder), default=None)


def _git(root: Path, *words: str) -> int:
    try:
        return command.run(["git", *words], cwd=root, timeout=GIT_SECONDS).returncode
    except FlowHealthError:
        return -1

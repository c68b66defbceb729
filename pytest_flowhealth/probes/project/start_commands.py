"""Read what an application's start scripts run, and what must exist for that.

A script is split by `shlex`. A command that is not known, or depends on a variable, is not guessed: it
is returned as undecided.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from pytest_flowhealth.errors import FlowHealthError
from pytest_flowhealth.probes.command import run
from pytest_flowhealth.probes.project.command_needs import Need, find_needs, split_options
from pytest_flowhealth.probes.project.layout import ProjectPackage
from pytest_flowhealth.probes.project.needed_files import is_installed
from pytest_flowhealth.probes.project.start_programs import (
    BUILDERS,
    DEVELOPMENT,
    HARMLESS,
    VALUE_OPTIONS,
    WRAPPERS,
)

START_SCRIPTS = ("start", "serve")
PRODUCTION_SCRIPTS = ("start:prod", "start:production", "serve:prod", "preview")
"""Names by convention, of scripts that run what a build has made; nobody need ever run them."""

_SCRIPT_DEPTH = 8
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_UNKNOWN_VALUE = re.compile(r"[$`*?{}]|%\w+%")
_REDIRECTION = re.compile(r"\d?>&\d|&>")
_RUNNERS = frozenset(("npm", "pnpm", "yarn", "bun"))
_BUILD_SCRIPT = re.compile(r"(?:^|:|-)(?:build|bundle|compile|dist|generate)")
_SEPARATORS = frozenset(("&&", "||", ";", "&", "|", "(", ")", "\n"))
_VERSION = re.compile(r"(?<=.)@[^/]*$")  # `npx serve@14`
_PROGRAM = re.compile(r"[\w@.-]+")
_SHELL_SECONDS = 10.0
_EXEC = frozenset(("-x", "--exec"))
_MONOREPO_RUNNERS = frozenset(("turbo", "lerna", "nx"))
_ALL_SCRIPTS = frozenset(("npm-run-all", "npm-run-all2", "run-s", "run-p", "concurrently"))


class StartPlan(msgspec.Struct, frozen=True):
    """What the start scripts of packages need.

    Attributes:
        needs: What must exist.
        undecided: The commands of which nothing is known.
        builds: Needs that an earlier command of the same script creates: they need not exist.
        scripts: The scripts that were read, such as "scripts.start".
    """

    needs: list[Need]
    undecided: list[str]
    builds: list[Need]
    scripts: list[str]


def read_start_plan(package: ProjectPackage, packages: Sequence[ProjectPackage]) -> StartPlan:
    """Return what the start scripts of `package` need.

    Args:
        package: The package.
        packages: All packages of the project, for commands that run the scripts of others.
    """
    plan = StartPlan([], [], [], [])
    done: set[tuple[str, str]] = set()
    for name in START_SCRIPTS:
        # What `start` runs as well, it may have built before.
        if name in scripts_of(package) and (package.folder, name) not in done:
            reader = _ScriptReader(plan, packages, _origin(package, name))
            plan.scripts.append(reader.origin)
            reader.read_script(package, name)
            done |= reader.done
    for name in PRODUCTION_SCRIPTS:
        if name in scripts_of(package) and (package.folder, name) not in done:
            reader = _ScriptReader(plan, packages, _origin(package, name), optional=True)
            reader.read_script(package, name)
    if "start" not in scripts_of(package) and (Path(package.folder) / "server.js").is_file():
        # docs.npmjs.com/cli/commands/npm-start
        plan.needs.append(Need("npm start", "node server.js", Path(package.folder), "module", "server.js"))  # fmt: skip
    return plan


def scripts_of(package: ProjectPackage) -> dict[str, str]:
    """Return the scripts of package.json that are strings."""
    scripts = package.manifest.get("scripts")
    pairs = scripts.items() if isinstance(scripts, dict) else ()
    return {name: text for name, text in pairs if isinstance(text, str)}


def split_commands(text: str) -> list[list[str]] | None:
    """Split a script into commands, None if its quotes are not closed.

    >>> split_commands("A=1 node 'a b.js' && echo x")
    [['A=1', 'node', 'a b.js'], ['&&'], ['echo', 'x']]
    """
    lexer = shlex.shlex(_REDIRECTION.sub("", text), posix=True, punctuation_chars="&|;()\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[list[str]] = [[]]
    try:
        for word in lexer:
            if word in _SEPARATORS:
                commands += [[word], []]
            else:
                commands[-1].append(word)
    except ValueError:
        return None
    return [command for command in commands if command]


class _Place(NamedTuple):
    """Where a command stands: the package, the folder it runs in, the script it belongs to."""

    package: ProjectPackage
    folder: Path
    script: str


class _ScriptReader:
    """Reads one script, and those that it runs."""

    def __init__(
        self,
        plan: StartPlan,
        packages: Sequence[ProjectPackage],
        origin: str,
        *,
        optional: bool = False,
    ) -> None:
        self.origin = origin
        self.done: set[tuple[str, str]] = set()
        self._plan = plan
        self._packages = packages
        self._running: list[tuple[str, str]] = []
        self._build = False
        self._doubtful = optional
        self._optional = optional

    def read_script(self, package: ProjectPackage, name: str) -> None:
        """Read a script of package.json, with those that npm runs before it."""
        if (package.folder, name) in self._running or len(self._running) >= _SCRIPT_DEPTH:
            return
        self._running.append((package.folder, name))
        self.done.add((package.folder, name))
        scripts = scripts_of(package)
        for each in (f"pre{name}", name):
            if each in scripts:
                self._read_text(scripts[each], _Place(package, Path(package.folder), each))
        self._running.pop()

    def _read_text(self, text: str, place: _Place) -> None:
        commands = split_commands(text)
        if commands is None:
            self._plan.undecided.append(text[:200])
            return
        after_or = False
        for words in commands:
            if words[0] in _SEPARATORS:
                after_or = words[0] in {"||", "|"}
            elif after_or:
                # It runs if the first one fails, or reads its output.
                self._doubtful = True
            else:
                place = self._read_command(words, place)

    def _read_command(self, words: list[str], place: _Place) -> _Place:
        """Read a command; return where the next one runs."""
        self._find_program(words, place)
        words = _unwrap(words)
        if not words:
            return place
        program = words[0].rpartition("/")[2] if "node_modules" in words[0] else words[0]
        program = _VERSION.sub("", program)
        rest = words[1:]
        if program in {"cd", "pushd"} and rest:
            return place._replace(folder=place.folder / rest[0])
        if _BUILD_SCRIPT.search(place.script) or _is_builder(program, rest):
            self._build = True
        elif not self._follow(program, rest, place):
            self._take(program, rest, shlex.join(words)[:200], place.folder)
        return place

    def _find_program(self, words: list[str], place: _Place) -> None:
        """Add a need for a program that is not there though all that is declared is installed."""
        program = next((word for word in words if not _ASSIGNMENT.match(word)), "")
        is_known = program in HARMLESS - {"nodemon"} or not _PROGRAM.fullmatch(program)
        if is_known or self._doubtful or not _is_complete(place.package):
            return
        if not is_installed(place.folder, program) and not _is_on_path(program, place.folder):
            path = f"node_modules/.bin/{program}"
            text = shlex.join(words)[:200]
            self._plan.needs.append(
                Need(self.origin, text, place.folder, "file", path, certain=False)
            )

    def _follow(self, program: str, rest: list[str], place: _Place) -> bool:
        """Read the scripts, or the quoted commands, that a command runs; False if it runs none."""
        if program in _RUNNERS:
            return self._follow_runner(program, rest, place)
        if program in _ALL_SCRIPTS:
            self._follow_several(rest, place)
        elif program in {"sh", "bash"} and rest[:1] == ["-c"] and len(rest) > 1:
            self._read_text(rest[1], place)
        elif program in _MONOREPO_RUNNERS:
            return self._follow_monorepo(rest)
        elif program == "nodemon" and not _EXEC.isdisjoint(rest):
            at = next(at for at, word in enumerate(rest) if word in _EXEC)
            words, _ = split_options(program, rest)
            self._read_text(" ".join((*rest[at + 1 : at + 2], *map(shlex.quote, words))), place)
        elif program == "node" and rest[:1] and rest[0].startswith("--run"):
            self._read_scripts(place.package, rest[0].partition("=")[2] or "".join(rest[1:2]))
        else:
            return False
        return True

    def _follow_several(self, rest: list[str], place: _Place) -> None:
        """Read the names of scripts, `npm:NAME` and quoted commands after npm-run-all and the like."""
        for text in (word for word in rest if not word.startswith("-")):
            manager, _, name = text.partition(":")
            if manager in _RUNNERS:
                self._read_scripts(place.package, name)
            elif fnmatch.filter(scripts_of(place.package), text):
                self._read_scripts(place.package, text)
            elif " " in text:
                self._read_text(text, place)

    def _read_scripts(self, package: ProjectPackage, pattern: str) -> None:
        names = fnmatch.filter(scripts_of(package), pattern)
        if not names:
            self._plan.undecided.append(f"run {pattern}")
        for name in names:
            self.read_script(package, name)

    def _follow_runner(self, program: str, rest: list[str], place: _Place) -> bool:
        target, words = self._chosen_package(rest, place)
        if words[:1] == ["workspace"] and program == "yarn" and len(words) > 2:
            target, words = self._named(words[1]), words[2:]
        if words[:1] in (["run"], ["run-script"]):
            words = words[1:]
        if not words or words[0] in {"install", "ci", "i", "exec", "x", "dlx", "add"}:
            self._doubtful = True
            return True
        if target is None:
            self._plan.undecided.append(f"{program} {' '.join(rest)}"[:200])
            return True
        if words[0] in scripts_of(target):
            self.read_script(target, words[0])
            return True
        if program == "npm":
            self._plan.undecided.append(f"npm run {words[0]}"[:200])
        elif program == "bun":
            self._take(program, words, shlex.join([program, *rest])[:200], place.folder)
        else:
            self._read_command(words, place)  # `yarn PROGRAM`
        return True

    def _chosen_package(
        self, rest: list[str], place: _Place
    ) -> tuple[ProjectPackage | None, list[str]]:
        """Return the package whose script a runner runs, and the words without its options."""
        package, folder = place.package, place.folder
        here = package if Path(package.folder) == folder else self._at(folder)
        words: list[str] = []
        index = 0
        while index < len(rest):
            option, equals, value = rest[index].partition("=")
            index += 1
            if option == "--":
                break
            if option in {"-w", "--workspace", "--prefix", "-C", "--filter", "-F", "--cwd"}:
                if not equals:
                    value = rest[index] if index < len(rest) else ""
                    index += 1
                in_folder = option in {"--prefix", "-C", "--cwd"}
                here = self._at(folder / value) if in_folder else self._named(value)
            elif not option.startswith("-"):
                words.append(rest[index - 1])
        return here, words

    def _at(self, folder: Path) -> ProjectPackage | None:
        place = folder.resolve()
        return next((each for each in self._packages if Path(each.folder) == place), None)

    def _named(self, name: str) -> ProjectPackage | None:
        plain = name.removeprefix("./").rstrip("/")
        return next(
            (each for each in self._packages if plain in {each.manifest.get("name"), each.label}),
            None,
        )

    def _follow_monorepo(self, rest: list[str]) -> bool:
        names = [word for word in rest if not word.startswith("-") and word != "run"]
        if not names:
            return False
        name = names[0].rpartition(":")[2]
        before = self._build, self._doubtful
        for package in self._packages:
            if name in scripts_of(package) and package.label != ".":
                self.read_script(package, name)
                self._build, self._doubtful = before
        return True

    def _take(self, program: str, rest: list[str], command: str, folder: Path) -> None:
        """Add what a command needs, or that this is not known."""
        found = list(find_needs(self.origin, program, rest, command, folder))
        for need in found:
            unknown = _UNKNOWN_VALUE.search(need.path) is not None
            if unknown:
                self._plan.undecided.append(command)
            elif self._build:
                self._plan.builds.append(need)
            else:
                certain = need.certain and not self._doubtful
                self._plan.needs.append(msgspec.structs.replace(need, certain=certain))
        key = (program, rest[0] if rest else "")
        known = program in HARMLESS or key in DEVELOPMENT or (program, "") in DEVELOPMENT
        if not found and not known:
            if not self._optional:
                self._plan.undecided.append(command)
            self._doubtful = True
        # A program of the project's own may build what the next command runs.
        self._doubtful = self._doubtful or program == "node"


def _origin(package: ProjectPackage, name: str) -> str:
    return f"scripts.{name}" if package.label == "." else f"{package.label}: scripts.{name}"


def _is_complete(package: ProjectPackage) -> bool:
    """Tell whether what package.json declares is in node_modules, that for development too."""
    folder = Path(package.folder)
    folders = [each / "node_modules" for each in (folder, *folder.parents)]
    fields = (package.manifest.get(field) for field in ("dependencies", "devDependencies"))
    names = [name for field in fields if isinstance(field, dict) for name in field]
    return bool(names) and all(any((each / name).exists() for each in folders) for name in names)


def _is_on_path(program: str, folder: Path) -> bool:
    """Tell whether npm's shell finds a program, or has a command of that name."""
    if shutil.which(program):
        return True
    try:
        words = ["sh", "-c", 'command -v -- "$1"', "sh", program]
        return run(words, cwd=folder, timeout=_SHELL_SECONDS).returncode == 0
    except FlowHealthError:
        return True


def _unwrap(words: list[str]) -> list[str]:
    """Remove assignments and programs that run the command after them, such as cross-env."""
    while words:
        if _ASSIGNMENT.match(words[0]):
            words = words[1:]
        elif words[0] in WRAPPERS:
            values = VALUE_OPTIONS.get(words[0], frozenset())
            words = words[1:]
            # `dotenvx run -f FILE -- PROGRAM`, `env-cmd .env PROGRAM`
            while words and (words[0] == "run" or words[0].startswith(("-", ".env"))):
                words = words[2:] if words[0] in values else words[1:]
        else:
            break
    return words


def _is_builder(program: str, rest: list[str]) -> bool:
    first = next((word for word in rest if not word.startswith("-")), "")
    return (program, first) in BUILDERS or (program, "") in BUILDERS

"""Whether a package can be installed from nothing and used, found out by doing both.

What a stranger has: an empty folder and an empty cache. The user's own cache could give an archive
that the registry no longer has. Lifecycle scripts run, as they do for everybody, unless they are
switched off; they see an environment without the run's secrets and a home folder that is removed.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from pytest_flowhealth.config.files import read_text
from pytest_flowhealth.config.manifest import Manifest, read_manifest
from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes import command
from pytest_flowhealth.probes.command import Completed
from pytest_flowhealth.probes.project import NpmProject
from pytest_flowhealth.probes.registry import guard
from pytest_flowhealth.probes.registry.failure import Failure, failure
from pytest_flowhealth.probes.registry.scratch import go_on, scratch

SECONDS = 300.0
"""What installing may take."""

_PACKING = 60.0
_CHECKING = 20.0
_ELSEWHERE = re.compile(
    r"\b(window|document|navigator|self|location|HTMLElement|localStorage|customElements)\b.* is not defined"
    r'|No "exports" main|not done within'
)
"""How a package fails in Node that is made for a browser, or has parts only."""

_MOST_COMMANDS = 20
_LOCK_BYTES = 50 * 2**20
_QUIET = (
    *("--json", "--loglevel=silly", "--logs-max=0", "--no-progress", "--no-update-notifier"),
    *("--no-audit", "--no-fund", "--location=project"),
    *("--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"),
)
_PASSED_ON = re.compile(
    r"PATH|LANG|LC_\w+|TZ|(?:NO|HTTPS?|ALL)_PROXY|NODE_EXTRA_CA_CERTS|SSL_CERT_(?:FILE|DIR)"
    r"|npm_config_\w.*",
    re.IGNORECASE,
)


class Installed(msgspec.Struct, frozen=True):
    """How an installation came out.

    Attributes:
        package: What was installed, as ``name@version``, or as it was asked for.
        seconds: How long `npm install` took.
        size: What lies in node_modules afterwards, in bytes.
        packages: How many packages lie there.
        failure: Why it can't be installed; None where it can.
        broken: Which entry points don't work, each with the reason.
        notes: What could not be judged.
    """

    package: str
    seconds: float
    size: int = 0
    packages: int = 0
    failure: Failure | None = None
    broken: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def works(self) -> bool:
        """Whether it can be installed and its entry points work."""
        return self.failure is None and not self.broken


def install_published(
    package: str, npmrc: str, *, scripts: bool = True, seconds: float = SECONDS
) -> Installed:
    """Install what `npm install NAME` gives to anybody, and load it.

    Args:
        package: Its name.
        npmrc: The content of the .npmrc that names the registry and its credential.
        scripts: Whether lifecycle scripts run.
        seconds: The time limit of `npm install`.

    Raises:
        CheckFailed: There is no npm.
        MeasurementUnavailable: It could not be done, for a cause outside of the package.
    """
    with scratch() as folder:
        place = _Place(folder, npmrc)
        return _installed(place, package, f"{package}@latest", (scripts, seconds))


def install_packed(
    root: Path, npmrc: str, *, scripts: bool = True, seconds: float = SECONDS
) -> Installed:
    """Pack the working tree as `npm publish` would, install the archive, and load it.

    The tree is packed as it lies there: its own scripts (`prepack`, `prepare`) are not run, for
    they would build into it.

    Raises:
        CheckFailed: There is no npm, or the tree can't be packed.
        MeasurementUnavailable: It could not be done, for a cause outside of the package.
    """
    with scratch() as folder:
        place = _Place(folder, npmrc)
        archive = _packed(root, place)
        name = read_manifest(root / "package.json").name or root.name
        return _installed(place, name, str(archive), (scripts, seconds))


class _Place:
    """A temporary folder with an empty project, a home and a cache."""

    def __init__(self, folder: Path, npmrc: str) -> None:
        self.folder = folder
        self.project = folder / "project"
        self.home = folder / "home"
        self.temporary = folder / "tmp"
        for path in (self.project, self.home, self.temporary):
            path.mkdir()
        (self.project / "package.json").write_text('{"private": true}\n', "utf-8")
        (self.project / ".npmrc").write_text(npmrc, "utf-8")
        self._cache = folder / "cache"

    @property
    def environment(self) -> dict[str, str]:
        """What npm and the packages' scripts see: no secrets."""
        passed = {name: text for name, text in os.environ.items() if _PASSED_ON.fullmatch(name)}
        return {
            **passed,
            "npm_config_cache": str(self._cache),
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "NO_COLOR": "1",
        }

    def run(self, argv: Sequence[str], cwd: Path, seconds: float) -> Completed:
        """Run npm, which is ended and this folder removed when our process is no more.

        Raises:
            MeasurementUnavailable: It did not end in time, or the run is ending.
        """
        go_on()
        guarded = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), str(self.folder)]
        try:
            return command.run([*guarded, *argv], cwd=cwd, timeout=seconds, env=self.environment)
        except MeasurementUnavailable:
            named = " ".join((*argv[:2], argv[-1]))
            raise MeasurementUnavailable(
                f"`{named}` did not end within {format_number(seconds)} s"
            ) from None


def _packed(root: Path, place: _Place) -> Path:
    """Return the archive of the working tree."""
    to = place.temporary / "packed"
    to.mkdir()
    argv = ["npm", "pack", "--ignore-scripts", f"--pack-destination={to}", "--logs-max=0"]
    done = place.run(argv, root, _PACKING)
    archives = sorted(to.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        lines = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        reason = (lines or [f"it ended with code {done.returncode}"])[0]
        raise CheckFailed(f"the working tree can't be packed: {reason[:300]}")
    return archives[0]


def _installed(place: _Place, name: str, spec: str, how: tuple[bool, float]) -> Installed:
    scripts, seconds = how
    argv = ["npm", "install", *_QUIET]
    argv += [] if scripts else ["--ignore-scripts"]
    done = place.run([*argv, "--", spec], place.project, seconds)
    if done.returncode:
        return _failed(done, name if spec.startswith("/") else spec)
    folder = place.project / "node_modules" / name
    try:
        manifest = read_manifest(folder / "package.json", strict=False)
    except CheckFailed as error:
        raise MeasurementUnavailable(
            f"npm installed {spec}, and left no {name}: {error.message}"
        ) from None
    go_on()
    broken, notes = _examined(place, folder, name, manifest)
    return Installed(
        package=f"{name}@{manifest.version}",
        seconds=done.seconds,
        size=_size(place.project / "node_modules"),
        packages=_count(place.project / "node_modules"),
        broken=tuple(_short(path, place.project) for path in broken),
        notes=tuple(notes),
    )


def _failed(done: Completed, named: str) -> Installed:
    if done.returncode < 0 or done.returncode > 128:
        ended = -done.returncode if done.returncode < 0 else done.returncode - 128
        raise MeasurementUnavailable(f"`npm install {named}` was ended by signal {ended}")
    why = failure(done, named)
    return Installed(package=_resolved(done.stderr) or named, seconds=done.seconds, failure=why)


def _resolved(log: str) -> str:
    """Return the package at the root of what was to be installed, as ``name@version``."""
    match = re.search(r"^npm silly placeDep ROOT (\S+@\S+) OK for:  want:", log, re.MULTILINE)
    return match[1] if match else ""


def _examined(
    place: _Place, folder: Path, name: str, manifest: Manifest
) -> tuple[list[str], list[str]]:
    """Load the entry point, and parse the commands, which nobody can run without knowing what they do."""
    project = NpmProject(place.project, environment=place.environment)
    try:
        loaded = project.load([name])[0]
    finally:
        project.close()
    broken, notes = list(_commands(place, folder, manifest)), []
    if loaded.message and loaded.state != "works" and not _ELSEWHERE.search(loaded.message):
        broken.insert(0, loaded.message)
    elif loaded.message:
        notes.append(loaded.message)
    return broken, notes


def _commands(place: _Place, folder: Path, manifest: Manifest) -> Iterator[str]:
    """Yield what is wrong with the commands that the package brings along (`bin`)."""
    for name, path in list(manifest.bin.items())[:_MOST_COMMANDS]:
        file = (folder / path).resolve()
        if not file.is_relative_to(folder.resolve()):
            yield f"its command {name} lies outside of the package: {path}"
        elif not file.is_file():
            yield f"its command {name} is not there: {path}"
        elif file.suffix in (".js", ".cjs", ".mjs"):
            done = place.run(["node", "--check", str(file)], folder, _CHECKING)
            if done.returncode:
                errors = [line for line in done.stderr.splitlines() if "Error" in line]
                yield f"its command {name} does not parse: {(errors or ['node --check'])[0][:300]}"


def _size(folder: Path) -> int:
    """Return the bytes of the files below a folder; links count as links."""
    size = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                size += (Path(where) / name).lstat().st_size
            except OSError:
                continue
    return size


def _count(modules: Path) -> int:
    """Return how many packages npm noted that it installed."""
    try:
        text = read_text(modules / ".package-lock.json", largest=_LOCK_BYTES)
        packages = json.loads(text)["packages"]
    except (FlowHealthError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise MeasurementUnavailable(f"npm left no list of what it installed: {error}") from None
    return len(packages) if isinstance(packages, Mapping) else 0


def _short(text: str, project: Path) -> str:
    return text.replace(f"{project}/", "")

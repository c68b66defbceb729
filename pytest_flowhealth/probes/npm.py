"""What npm itself says: `npm ls`, `npm audit` and others, each as JSON, each with a limit.

npm's exit code 1 is a result here, not an error. What is no documented answer
is `MeasurementUnavailable`: npm takes some broken answers of a registry for "nothing found"
(`null`, `[]`, a package that is not known), so its log is read too, for whether
the registry was asked and what it said.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pytest_flowhealth.config import semver
from pytest_flowhealth.config.manifest import Manifest, read_manifest
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes import command

SECONDS = 40.0
"""What one of npm's commands may take."""

ANSWERED = re.compile(r"^npm http fetch (?P<method>\w+) (?P<status>\d+) (?P<url>\S+)", re.MULTILINE)
"""A line of npm's log on what a registry answered."""

_FETCH = ("--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=1000")
_QUIET = ("--no-fund", "--no-update-notifier", "--logs-max=0", "--no-progress")
_LOG = "--loglevel=silly"  # the only level that tells what the audit endpoint answered
# What a project's .npmrc may say that would narrow the question.
_ALL = ("--all", "--depth=Infinity", "--no-package-lock-only", "--no-link", "--no-global")
_AUDITS = "/-/npm/v1/security/"
_REPORT = re.compile(r"^npm silly? audit report (?P<report>.*)$", re.MULTILINE)
_LISTS = re.compile(r"\{(?:\}|$| \S+: \[)")
_NOTHING_ASKED = re.compile(r"^npm silly? audit bulk request \{\}", re.MULTILINE)
SEVERITIES = ("critical", "high", "moderate", "low", "info")
"""npm's severities, the worst first."""


class Tree(msgspec.Struct, frozen=True):
    """What `npm ls --all` finds wrong with node_modules, as npm's own sentences."""

    missing: tuple[str, ...] = ()
    invalid: tuple[str, ...] = ()
    extraneous: tuple[str, ...] = ()
    other: tuple[str, ...] = ()


class Vulnerable(msgspec.Struct, frozen=True):
    """A package with known vulnerabilities; `fix` is the command that mends it, or None."""

    name: str
    severity: str
    range: str
    titles: tuple[str, ...]
    fix: str | None


class Audit(msgspec.Struct, frozen=True):
    """How many packages have vulnerabilities, by severity, and which."""

    counts: dict[str, int]
    packages: tuple[Vulnerable, ...]


def cache(root: Path, timeout: float = SECONDS) -> Path:
    """Return the folder of npm's cache, as it is configured for the project.

    Raises:
        CheckFailed: There is no npm.
        MeasurementUnavailable: npm does not tell.
    """
    done = command.run(["npm", "config", "get", "cache"], cwd=root, timeout=timeout)
    told = done.stdout.strip()
    if done.returncode or not told.startswith("/") or "\n" in told:
        raise MeasurementUnavailable("`npm config get cache` names no folder")
    return Path(told)


def ls(root: Path, timeout: float = SECONDS) -> Tree:
    """Return what is wrong with the installed tree.

    Raises:
        CheckFailed: There is no npm.
        MeasurementUnavailable: npm gave no answer that can be read, or none about this project.
    """
    return parse_tree(run(root, ["ls", *_ALL], timeout), root)


def parse_tree(done: command.Completed, root: Path) -> Tree:
    """Return what `npm ls --json`, run in `root`, has printed; as `ls`."""
    answer = parse_object("ls", done)
    problems = answer.get("problems", [])
    if not isinstance(problems, list) or (done.returncode not in (0, 1)):
        raise unreadable("ls", done)
    kinds: dict[str, list[str]] = {"missing": [], "invalid": [], "extraneous": [], "other": []}
    for problem in map(str, problems):
        kind = problem.partition(":")[0]
        kinds[kind if kind in kinds else "other"].append(_relative(problem, root))
    if done.returncode == 1 and not problems:
        raise unreadable("ls", done, answer)
    if not any(kinds[kind] for kind in ("missing", "invalid", "other")):
        _require_whole(answer, own_manifest(root))
    return Tree(**{kind: tuple(found) for kind, found in kinds.items()})


def audit(root: Path, timeout: float = SECONDS) -> Audit:
    """Return the known vulnerabilities of what the lock file holds.

    Raises:
        CheckFailed: There is no npm.
        MeasurementUnavailable: The registry did not answer, or not as documented
            (docs.npmjs.com, "npm audit"); zero is returned only where it was
            asked and said so.
    """
    return parse_audit(run(root, ["audit"], timeout), own_manifest(root))


def parse_audit(done: command.Completed, manifest: Manifest) -> Audit:
    """Return what `npm audit --json` has printed for a project with `manifest`; as `audit`."""
    answer = parse_object("audit", done)
    counts = _counts(answer)
    if counts is None or done.returncode not in (0, 1):
        raise _unaudited(done, answer)
    _require_answer(done, manifest)
    packages = tuple(_vulnerable(answer["vulnerabilities"]))
    told = {severity: sum(one.severity == severity for one in packages) for severity in SEVERITIES}
    if told != counts:
        raise MeasurementUnavailable(
            f"`npm audit` contradicts itself: {counts} in its summary, {told} in its list"
        )
    return Audit(counts, packages)


def with_names(words: str, names: Sequence[str]) -> str:
    """Return a command for a shell, with names (ten at the most) that may begin as options do."""
    dashes = ["--"] if any(name.startswith("-") for name in names) else []
    return shlex.join([*words.split(), *dashes, *names[:10]])


def run(root: Path, arguments: list[str], timeout: float) -> command.Completed:
    """Run npm in `root`, with JSON as its output and a log that tells what a registry answered.

    Raises:
        CheckFailed: There is no npm.
        MeasurementUnavailable: It did not end in time.
    """
    environment = {**os.environ, "NO_COLOR": "1", "npm_config_color": "false"}
    patience = f"--fetch-timeout={timeout * 400:.0f}"  # ms; twice that and a pause fits in
    argv = ["npm", *arguments, "--json", *_FETCH, patience, *_QUIET, _LOG]
    return command.run(argv, cwd=root, timeout=timeout, env=environment)


def parse_object(name: str, done: command.Completed) -> dict[str, Any]:
    """Return the object that `npm NAME` has printed.

    Raises:
        MeasurementUnavailable: It printed none.
    """
    try:
        answer = json.loads(done.stdout)
    except (ValueError, RecursionError):
        raise unreadable(name, done) from None
    if not isinstance(answer, dict):
        raise unreadable(name, done)
    return answer


def unreadable(
    name: str, done: command.Completed, answer: Mapping[str, Any] | None = None
) -> MeasurementUnavailable:
    """Return an error with npm's own first word on what went wrong."""
    said = next(_complaints(done, answer or {}), f"it ended with code {done.returncode}")
    return MeasurementUnavailable(f"`npm {name}` could not tell: {one_line(said, 300)}")


def _complaints(done: command.Completed, answer: Mapping[str, Any]) -> Iterator[str]:
    error = answer.get("error")
    if isinstance(error, dict):
        yield from (str(error[key]) for key in ("summary", "code") if error.get(key))
    if isinstance(answer.get("message"), str):
        yield answer["message"]
    for line in done.stderr.splitlines():
        text = re.sub(r"^npm (?:error|ERR!)\s*", "", line)
        if text != line and text and not text.startswith("A complete log"):
            yield text


def _counts(answer: Mapping[str, Any]) -> dict[str, int] | None:
    metadata = answer.get("metadata")
    told = metadata.get("vulnerabilities") if isinstance(metadata, dict) else None
    if not isinstance(told, dict) or not isinstance(answer.get("vulnerabilities"), dict):
        return None
    counts = {severity: told.get(severity) for severity in SEVERITIES}
    if not all(isinstance(count, int) and count >= 0 for count in counts.values()):
        return None
    return {severity: int(count or 0) for severity, count in counts.items()}


def _require_answer(done: command.Completed, manifest: Manifest) -> None:
    """Raise where npm's log does not show that the registry answered the audit with a list.

    npm reports zero vulnerabilities where it did not ask (`offline`), and where
    the answer was `null` or `[]` (@npmcli/arborist, audit-report.js).
    """
    if _NOTHING_ASKED.search(done.stderr):
        if any(map(is_registered, needed(manifest).values())):
            raise MeasurementUnavailable(
                "`npm audit` asked the registry for nothing", remedy="npm install"
            )
        raise NotApplicable("none of the dependencies comes from a registry")
    answers = [one for one in ANSWERED.finditer(done.stderr) if _AUDITS in one["url"]]
    if not answers:
        raise MeasurementUnavailable(
            "`npm audit` did not ask the registry (is `offline` set in .npmrc?)"
        )
    report = _REPORT.search(done.stderr)
    if report is None or not _LISTS.match(report["report"]):
        said = one_line(report["report"], 100) if report else "nothing that npm told of"
        raise MeasurementUnavailable(f"the registry's audit endpoint answered with no list: {said}")


def _unaudited(done: command.Completed, answer: Mapping[str, Any]) -> MeasurementUnavailable:
    """Return what the endpoint said: npm 9 and 10 ask an older one then, and tell of that."""
    statuses = [one for one in ANSWERED.finditer(done.stderr) if _AUDITS in one["url"]]
    if statuses and not statuses[0]["status"].startswith("2"):
        first = statuses[0]
        return MeasurementUnavailable(
            f"the registry's audit endpoint answered with status {first['status']}: {first['url']}"
        )
    return unreadable("audit", done, answer)


def _vulnerable(told: Mapping[str, Any]) -> Iterator[Vulnerable]:
    for name, one in told.items():
        if isinstance(one, dict):
            via = [each for each in one.get("via", []) if isinstance(each, dict)]
            yield Vulnerable(
                name=str(name),
                severity=str(one.get("severity")),
                range=str(one.get("range", "")),
                titles=tuple(str(each.get("title", "")) for each in via),
                fix=_fix(one.get("fixAvailable")),
            )


def _fix(available: object) -> str | None:
    if available is True:
        return "npm audit fix"
    if isinstance(available, dict) and "name" in available:
        wanted = f"{available['name']}@{available.get('version', 'latest')}"
        return with_names("npm install", [wanted])
    return None


def own_manifest(folder: Path) -> Manifest:
    """Return a folder's package.json; an empty one where it can't be read."""
    try:
        return read_manifest(folder / "package.json", strict=False)
    except (CheckFailed, ValueError):
        return Manifest()


def needed(manifest: Manifest) -> dict[str, str]:
    """Return the dependencies that npm has to tell of, whatever it was told to leave out."""
    others = {
        **manifest.dev_dependencies,
        **manifest.optional_dependencies,
        **manifest.peer_dependencies,
    }
    return {name: spec for name, spec in manifest.dependencies.items() if name not in others}


def is_registered(spec: str) -> bool:
    """Tell whether a registry is asked for it."""
    return spec.startswith("npm:") or semver.range_of(spec) is not None


def _require_whole(answer: Mapping[str, Any], manifest: Manifest) -> None:
    """Raise where the answer of `npm ls` is not about the project: nothing found, nothing looked at."""
    told = _own(answer, manifest.name)
    tree = told.get("dependencies") if told else None
    names = tree if isinstance(tree, dict) else {}
    gone = [name for name in needed(manifest) if name not in names]
    if told is None or gone:
        of = f"nothing of {', '.join(gone[:5])}" if gone else f"not of {manifest.name}"
        raise MeasurementUnavailable(
            f"`npm ls` could not tell: it speaks {one_line(of, 200)}", remedy="npm ls"
        )


def _own(answer: Mapping[str, Any], name: str | None) -> Mapping[str, Any] | None:
    """Return the part on the project: in a workspace npm answers for the root, which has it within."""
    if "name" in answer and name in (None, answer["name"]):
        return answer
    tree = answer.get("dependencies")
    own = tree.get(name) if isinstance(tree, dict) else None
    return own if isinstance(own, dict) else None


def _relative(problem: str, root: Path) -> str:
    return problem.replace(f"{root}/", "")

"""What npm itself says: `npm ls`, `npm audit`, `npm outdated`, each as JSON, each with a limit.

npm's exit code 1 is a result here, not an error. What is no documented answer
is `Unmeasured`: npm takes some broken answers of a registry for "nothing found"
(`null`, `[]`, a package that is not known), so its log is read too, for whether
the registry was asked and what it said.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pytest_flowhealth.errors import NotApplicable, Unmeasured
from pytest_flowhealth.probes import command, semver
from pytest_flowhealth.verdict.text import one_line

SECONDS = 40.0
"""What one of npm's commands may take."""

_FETCH = ("--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=1000")
_QUIET = ("--no-fund", "--no-update-notifier", "--logs-max=0", "--no-progress")
_LOG = "--loglevel=silly"  # the only level that tells what the audit endpoint answered
_ANSWERED = re.compile(
    r"^npm http fetch (?P<method>\w+) (?P<status>\d+) (?P<url>\S+)", re.MULTILINE
)
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


class Behind(msgspec.Struct, frozen=True):
    """A dependency with a newer version; `major` where the newer one is incompatible."""

    name: str
    current: str
    wanted: str
    latest: str
    major: bool


class Outdated(msgspec.Struct, frozen=True):
    """The dependencies that are behind, and those that the registry did not tell of."""

    behind: tuple[Behind, ...]
    untold: tuple[str, ...]


def ls(root: Path, timeout: float = SECONDS) -> Tree:
    """Return what is wrong with the installed tree.

    Raises:
        ProbeError: There is no npm.
        Unmeasured: npm gave no answer that can be read.
    """
    done, answer = _ask(root, ["ls", "--all"], timeout)
    problems = answer.get("problems", [])
    if not isinstance(problems, list) or (done.returncode not in (0, 1)):
        raise _unreadable("ls", done)
    kinds: dict[str, list[str]] = {"missing": [], "invalid": [], "extraneous": [], "other": []}
    for problem in map(str, problems):
        kind = problem.partition(":")[0]
        kinds[kind if kind in kinds else "other"].append(_relative(problem, root))
    if done.returncode == 1 and not problems:
        raise _unreadable("ls", done, answer)
    return Tree(**{kind: tuple(found) for kind, found in kinds.items()})


def audit(root: Path, timeout: float = SECONDS) -> Audit:
    """Return the known vulnerabilities of what the lock file holds.

    Raises:
        ProbeError: There is no npm.
        Unmeasured: The registry did not answer, or not as documented
            (docs.npmjs.com, "npm audit"); zero is returned only where it was
            asked and said so.
    """
    done, answer = _ask(root, ["audit"], timeout)
    counts = _counts(answer)
    if counts is None or done.returncode not in (0, 1):
        raise _unaudited(done, answer)
    _require_answer(done)
    packages = tuple(_vulnerable(answer["vulnerabilities"]))
    told = {severity: sum(one.severity == severity for one in packages) for severity in SEVERITIES}
    if told != counts:
        raise Unmeasured(
            f"`npm audit` contradicts itself: {counts} in its summary, {told} in its list"
        )
    return Audit(counts, packages)


def outdated(root: Path, timeout: float = SECONDS) -> Outdated:
    """Return the direct dependencies that are behind the registry's latest version.

    Raises:
        ProbeError: There is no npm.
        Unmeasured: The registry did not answer, or npm's answer can't be read.
    """
    done, answer = _ask(root, ["outdated"], timeout)
    entries = [(name, one) for name, each in answer.items() for one in _listed(each)]
    if not all(_is_entry(one) for _, one in entries) or done.returncode not in (0, 1):
        raise _unreadable("outdated", done, answer)
    # npm leaves out, without a word, what the registry does not know or does not give.
    untold = {
        match["url"].rpartition("/")[2].replace("%2f", "/").replace("%2F", "/")
        for match in _ANSWERED.finditer(done.stderr)
        if match["status"] in ("401", "403", "404")
    }
    behind = [_behind(name, one) for name, one in entries if "current" in one]
    return Outdated(tuple(dict.fromkeys(behind)), tuple(sorted(untold)))


def is_behind_major(current: str, latest: str) -> bool:
    """Tell whether `latest` is incompatible with `current`: another major, or minor of 0.x."""
    try:
        have, there = semver.parse_version(current), semver.parse_version(latest)
    except ValueError:
        return False
    depth = 1 if have.major or there.major else 2
    return have[:depth] < there[:depth]


def _ask(
    root: Path, arguments: list[str], timeout: float
) -> tuple[command.Completed, dict[str, Any]]:
    """Return how npm ended, and the object that it printed."""
    environment = {**os.environ, "NO_COLOR": "1", "npm_config_color": "false"}
    patience = f"--fetch-timeout={timeout * 400:.0f}"  # ms; twice that and a pause fits in
    argv = ["npm", *arguments, "--json", *_FETCH, patience, *_QUIET, _LOG]
    done = command.run(argv, cwd=root, timeout=timeout, env=environment)
    try:
        answer = json.loads(done.stdout)
    except (ValueError, RecursionError):
        raise _unreadable(arguments[0], done) from None
    if not isinstance(answer, dict):
        raise _unreadable(arguments[0], done)
    return done, answer


def _unreadable(
    name: str, done: command.Completed, answer: Mapping[str, Any] | None = None
) -> Unmeasured:
    """Return an error with npm's own first word on what went wrong."""
    said = next(_complaints(done, answer or {}), f"it ended with code {done.returncode}")
    return Unmeasured(f"`npm {name}` could not tell: {one_line(said, 300)}")


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


def _require_answer(done: command.Completed) -> None:
    """Raise where npm's log does not show that the registry answered the audit with a list.

    npm reports zero vulnerabilities where it did not ask (`offline`), and where
    the answer was `null` or `[]` (@npmcli/arborist, audit-report.js).
    """
    if _NOTHING_ASKED.search(done.stderr):
        raise NotApplicable("none of the dependencies comes from a registry")
    answers = [one for one in _ANSWERED.finditer(done.stderr) if _AUDITS in one["url"]]
    if not answers:
        raise Unmeasured("`npm audit` did not ask the registry (is `offline` set in .npmrc?)")
    report = _REPORT.search(done.stderr)
    if report is None or not _LISTS.match(report["report"]):
        said = one_line(report["report"], 100) if report else "nothing that npm told of"
        raise Unmeasured(f"the registry's audit endpoint answered with no list: {said}")


def _unaudited(done: command.Completed, answer: Mapping[str, Any]) -> Unmeasured:
    """Return what the endpoint said: npm 9 and 10 ask an older one then, and tell of that."""
    statuses = [one for one in _ANSWERED.finditer(done.stderr) if _AUDITS in one["url"]]
    if statuses and not statuses[0]["status"].startswith("2"):
        first = statuses[0]
        return Unmeasured(
            f"the registry's audit endpoint answered with status {first['status']}: {first['url']}"
        )
    return _unreadable("audit", done, answer)


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
        return f"npm install {available['name']}@{available.get('version', 'latest')}"
    return None


def _listed(told: object) -> list[Any]:
    """Return an entry of `npm outdated`: a list where several workspaces ask for the package."""
    return told if isinstance(told, list) else [told]


def _is_entry(told: object) -> bool:
    """Tell whether it is one; `current` is absent where the package is not installed."""
    if not isinstance(told, dict):
        return False
    return all(
        isinstance(one, str)
        for one in (told.get("wanted"), told.get("latest"), told.get("current", ""))
    )


def _behind(name: str, told: Mapping[str, str]) -> Behind:
    current, latest = told["current"], told["latest"]
    return Behind(name, current, told["wanted"], latest, is_behind_major(current, latest))


def _relative(problem: str, root: Path) -> str:
    return problem.replace(f"{root}/", "")

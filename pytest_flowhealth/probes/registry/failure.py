"""Why `npm install` failed: which dependency, what is wrong with it, and who asks for it.

From the error that npm prints as JSON and from its log at its most talkative, which names for each
dependency who wants which range (github.com/npm/cli, workspaces/arborist, place-dep.js).
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.command import Completed

_PLACED = re.compile(
    r"^npm silly placeDep (?P<where>.*?) (?P<name>@?[^@\s]+)@(?P<version>\S*) (?:OK|\w+) for: "
    r"(?P<by>\S*) want: (?P<spec>.*)$",
    re.MULTILINE,
)
_PACKAGE_ID = re.compile(r"^npm verbose pkgid (\S.*)$", re.MULTILINE)
_WANTED = re.compile(
    r"(?:No matching version found for|No versions available for|Unsupported \w+ for|"
    r"requested resource '|due to: )\s*'?(?P<id>@?[^@\s']+(?:@[^\n']*?)?)(?:'|\.?\s*$|:)",
    re.MULTILINE,
)
_PATH = re.compile(r"^npm (?:error|ERR!) path (.*)$", re.MULTILINE)

_ABSENT = {
    "E404": "is not in the registry",
    "ETARGET": "has no version in that range",
    "ENOVERSIONS": "has no version at all",
}
_UNFIT = {
    "EBADPLATFORM": "is not made for this system",
    "EBADENGINE": "is not made for this version of Node or npm",
    "EINTEGRITY": "has an archive that is not the one that was published",
    "EINVALIDTAGNAME": "is asked for with a range that is none",
    "EINVALIDPACKAGENAME": "is asked for by a name that is none",
    "EUNSUPPORTEDPROTOCOL": "is asked for in a way that npm does not know",
    "TAR_BAD_ARCHIVE": "has an archive that can't be unpacked",
}
"""npm's codes that lie with the package or with what it asks for."""

_CONFLICT = "ERESOLVE"


class Failure(msgspec.Struct, frozen=True):
    """Why a package can't be installed.

    Attributes:
        code: npm's word for it, such as "ETARGET".
        why: What is wrong, as a sentence that begins with the dependency.
        dependency: What could not be had, as ``name@range``; "" where npm does not say.
        asked_by: Who asks for it, as ``name@version``, the first of them; "" where npm does not say.
    """

    code: str
    why: str
    dependency: str = ""
    asked_by: str = ""


def failure(done: Completed, package: str) -> Failure:
    """Return why an installation of `package` (as ``name@version``) failed.

    Raises:
        MeasurementUnavailable: The cause is not in the package: the registry did not answer, the disk is full.
    """
    error = _error(done)
    code, summary = str(error.get("code", "")), str(error.get("summary", ""))
    message = one_line(f"{summary} {error.get('detail', '')}" if code.isdecimal() else summary, 400)
    if code in _ABSENT or code in _UNFIT:
        return _of_dependency(done, code, f"{summary}\n{error.get('detail', '')}")
    if code == _CONFLICT:
        why = f"what it asks for can't be had together: {message}"
        return Failure(code, why)
    if "command failed" in summary:
        return _of_script(done, code, message)
    what = message or f"it ended with code {done.returncode}"
    raise MeasurementUnavailable(
        f"`npm install {package}` could not be done: {code} {what}".replace("  ", " ")
    )


def _of_dependency(done: Completed, code: str, words: str) -> Failure:
    wanted = _wanted(done.stderr, words)
    asked_by = _asker(done.stderr, wanted)
    named = wanted or "a dependency"
    why = f"{named} {(_ABSENT | _UNFIT)[code]}"
    if asked_by:
        why += f"; {asked_by} asks for it"
    return Failure(code, why, wanted, asked_by)


def _of_script(done: Completed, code: str, message: str) -> Failure:
    """Return that a lifecycle script failed, with the package that it is of."""
    match = _PATH.search(done.stderr)
    name = match[1].rpartition("node_modules/")[2] if match and "node_modules/" in match[1] else ""
    wanted = next(
        (
            f"{placed['name']}@{placed['version']}"
            for placed in _placed(done.stderr)
            if placed["name"] == name
        ),
        name,
    )
    asked_by = next((placed["by"] for placed in _placed(done.stderr) if placed["name"] == name), "")
    why = f"a script of {wanted or 'a package'} fails: {message}"
    if asked_by:
        why += f"; {asked_by} asks for it"
    return Failure(code, why, wanted, asked_by)


def _error(done: Completed) -> dict[str, Any]:
    """Return the error that npm printed; scripts may have printed before it."""
    for text in (done.stdout, done.stdout[done.stdout.rfind('\n{\n  "error"') + 1 :]):
        try:
            printed = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(printed, dict) and isinstance(printed.get("error"), dict):
            error: dict[str, Any] = printed["error"]
            return error
    return {}


def _wanted(log: str, words: str) -> str:
    """Return the dependency that an error speaks of, as ``name@range``."""
    match = _PACKAGE_ID.search(log)
    if match:
        return one_line(match[1], 200)
    match = _WANTED.search(words)
    return one_line(match["id"].rstrip("."), 200) if match else ""


def _asker(log: str, wanted: str) -> str:
    """Return who asks for it: the first that npm found a place for it under."""
    for placed in _placed(log):
        if wanted and wanted in (
            f"{placed['name']}@{placed['spec']}",
            f"{placed['name']}@{placed['version']}",
        ):
            return placed["by"]
    return ""


def _placed(log: str) -> list[dict[str, str]]:
    return [
        {key: one_line(value or "", 200) for key, value in match.groupdict().items()}
        for match in _PLACED.finditer(log)
    ]

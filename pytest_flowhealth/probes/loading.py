"""Whether packages can be loaded, found out by loading them in Node."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import msgspec

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes import command

SECONDS = 20.0
"""What loading all packages together may take, and each alone where that was too long."""

_AT_ONCE = 4
_NEVER_SETTLED = 13  # nodejs.org/api/process.html, "Exit codes"
_ERROR = re.compile(r"(?:Uncaught )?\w*Error\b.*: ")


class Loaded(msgspec.Struct, frozen=True):
    """What came of loading one package.

    Attributes:
        name: The package.
        state: "loaded", "failed", "ended" (it ended the process) or "hung".
        empty: Whether it exports nothing.
        blank: Whether its entry file is empty.
        kind: The error's class, such as "ReferenceError".
        code: Node's code of the error, such as "ERR_MODULE_NOT_FOUND".
        message: What the error says.
    """

    name: str
    state: str
    empty: bool = False
    blank: bool = False
    kind: str = ""
    code: str = ""
    message: str = ""


def load(
    names: Sequence[str],
    folder: Path,
    seconds: float = SECONDS,
    env: Mapping[str, str] | None = None,
) -> list[Loaded]:
    """Load `names` as a module in `folder` would; their code runs, `env` replaces its environment.

    Raises:
        CheckFailed: There is no Node, or it did not run our program.
    """
    found: list[Loaded] = []
    rest = list(names)
    while rest:
        try:
            told = _load(rest, folder, seconds, env)
        except MeasurementUnavailable:
            return found + _one_by_one(rest, folder, seconds, env)
        if told[-1].state == "ended" and len(told) > 1:
            told.pop()  # one before it may be to blame: it gets a process of its own
        found += told
        rest = rest[len(told) :]
    return found


def _one_by_one(
    names: Sequence[str], folder: Path, seconds: float, env: Mapping[str, str] | None
) -> list[Loaded]:
    """Load each in a process of its own, for one of them does not come to an end."""

    def alone(name: str) -> Loaded:
        try:
            return _load([name], folder, seconds, env)[0]
        except MeasurementUnavailable as error:
            return Loaded(name, "hung", message=error.message)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(alone, names))


def _load(
    names: Sequence[str], folder: Path, seconds: float, env: Mapping[str, str] | None
) -> list[Loaded]:
    """Return what came of `names` up to the first that ended the process; at least of one."""
    program = (resources.files("pytest_flowhealth.probes") / "js/load.mjs").read_text("utf-8")
    word = secrets.token_hex(16)
    argv = ["node", "--input-type=module", "-e", program, "--", word, *names]
    done = command.run(argv, cwd=folder, timeout=seconds, env=env)
    lines = [line.removeprefix(word) for line in done.stdout.split("\n") if line.startswith(word)]
    facts = [msgspec.convert(json.loads(line), Loaded) for line in lines]
    told = [fact for fact in facts if fact.state != "begun"]
    if len(told) < len(names):
        if len(facts) == 2 * len(told):
            said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise CheckFailed(
                f"Node could not load anything: it ended with code {done.returncode}: {said[:300]}"
            )
        told.append(Loaded(facts[-1].name, "ended", message=_ending(done)))
    return told


def _ending(done: command.Completed) -> str:
    """Return how Node ended, with its own word on why: of an uncaught error, the error."""
    if done.returncode < 0:
        return f"it ended the process by signal {-done.returncode}"
    if done.returncode == _NEVER_SETTLED:
        return "it waits at its top level for what never comes"
    lines = done.stderr.strip().splitlines()
    said = next((line for line in lines if _ERROR.match(line)), "")
    return f"it ended the process with code {done.returncode}" + (f": {said[:300]}" if said else "")

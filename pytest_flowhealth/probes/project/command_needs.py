"""What must exist for one command of a start script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from pytest_flowhealth.probes.project.framework_sources import configured_sources
from pytest_flowhealth.probes.project.start_programs import (
    FILE_RUNNERS,
    FOLDER_SERVERS,
    OUTPUTS,
    SELF_BUILDING,
    VALUE_OPTIONS,
    FrameworkOutput,
)

NeedKind = Literal["module", "file", "folder", "main", "output", "source"]

# Options of Node without a value; others are taken to have one, where that finds a file.
_FLAGS = (
    *("--abort-", "--build-", "--enable-", "--experimental-", "--expose-", "--force-", "--frozen-"),
    *("--harmony", "--insecure-", "--inspect", "--jitless", "--max-", "--no-", "--permission"),
    *("--preserve-", "--prof", "--stack-", "--throw-", "--trace-", "--track-", "--use-", "--watch"),
)


class Need(msgspec.Struct, frozen=True):
    """Something that must exist for a script to start.

    Attributes:
        origin: What needs it, such as "scripts.start".
        command: The command in which it occurs.
        folder: The folder that `path` is relative to.
        kind: "module": a file that Node finds by this path; "file" and "folder": exactly so;
            "source": a file that a tool builds from (`|`: or another one); "main": the package's
            main file; "output": of a framework, see `output`.
        path: As written.
        runner: Who reads the file.
        certain: False if an earlier command of the script may create it.
        output: A framework's output.
    """

    origin: str
    command: str
    folder: Path
    kind: NeedKind
    path: str = ""
    runner: Literal["node", "tsx", "tool"] = "node"
    certain: bool = True
    output: FrameworkOutput | None = None


def find_needs(
    origin: str, program: str, rest: list[str], command: str, folder: Path
) -> Iterator[Need]:
    """Yield what must exist for a command to start.

    Args:
        origin: The script, as in `Need.origin`.
        program: Its name, without a folder or a version.
        rest: Its arguments.
        command: The whole command, for messages.
        folder: Where it runs.
    """
    words, doubtful = split_options(program, rest)
    first = words[0] if words else ""
    output = OUTPUTS.get((program, first))
    if output:
        place = folder / words[1] if len(words) > 1 and output.takes_folder else folder
        yield Need(origin, command, place, "output", output=output)
    elif program == "node" and words:
        yield from _option_needs(origin, rest, command, folder)
        # After an option that is not known, the first word may be its value.
        if not (doubtful[0] and any((folder / word).exists() for word in words[1:])):
            yield Need(origin, command, folder, "module", first, certain=not doubtful[0])
    elif program in FILE_RUNNERS:
        yield from _runner_needs(origin, program, words, command, folder)
    elif (program, first) == ("expo", "start"):
        yield Need(origin, command, folder, "main", runner="tool")
    elif program in FOLDER_SERVERS:
        yield from (Need(origin, command, folder, "folder", word) for word in words[:1])
    else:
        sources = SELF_BUILDING.get((program, first), ()) + configured_sources(
            program, first, words[1:], folder
        )
        yield from (Need(origin, command, folder, "source", path) for path in sources)
        path = program if "/" in program and not program.startswith("@") else ""
        path = first if program in {"sh", "bash"} else path
        if path:
            yield Need(origin, command, folder, "file", path, runner="tool")


def _option_needs(origin: str, rest: list[str], command: str, folder: Path) -> Iterator[Need]:
    """Yield the files that Node's options name, without which it does not start."""
    words = iter(rest)
    for option in words:
        if not option.startswith("-") or option == "--":
            break
        name, equals, path = option.partition("=")
        if not equals and name in VALUE_OPTIONS["node"]:
            path = next(words, "")
        if name in {"-r", "--require", "--import"} and path.startswith(("./", "../")):
            yield Need(origin, command, folder, "module", path)
        elif name == "--env-file" and path and not (folder / path).exists():
            # Node refuses to start, but such a file is often kept only where the application runs.
            yield Need(origin, command, folder, "file", path, runner="tool", certain=False)


def _runner_needs(
    origin: str, program: str, words: list[str], command: str, folder: Path
) -> Iterator[Need]:
    skipped, runner = FILE_RUNNERS[program]
    if words and words[0] in skipped:
        words = words[1:]
    elif skipped and "" not in skipped:
        return  # another command of the program, such as `pm2 logs`
    if words and words[0] == ".":
        yield Need(origin, command, folder, "main", runner=runner)
    elif words:
        yield Need(origin, command, folder, "module", words[0], runner=runner)
    elif program == "nodemon":
        yield Need(origin, command, folder, "main", runner=runner)


def split_options(program: str, rest: list[str]) -> tuple[list[str], list[bool]]:
    """Return the words that are no options, and whether each may be an unknown option's value."""
    values = VALUE_OPTIONS.get(program, frozenset())
    words: list[str] = []
    doubtful: list[bool] = []
    previous_unknown = False
    index = 0
    while index < len(rest):
        word = rest[index]
        index += 1
        if word == "--" or (
            word in {"-e", "--eval", "-p", "--print", "--test"} and program == "node"
        ):
            break
        if word.startswith("-") and len(word) > 1:
            index += word in values
            unknown = "=" not in word and word not in values
            previous_unknown = unknown and not word.startswith(_FLAGS)
            continue
        if not (word.isdecimal() and rest[index - 2].startswith("-")):
            words.append(word)
            doubtful.append(previous_unknown)
        previous_unknown = False
    return words, doubtful

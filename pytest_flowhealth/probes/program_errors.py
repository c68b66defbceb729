"""Find the cause in the output of a program that ended: the line of the error, not what follows it.

Node prints an uncaught error as source line, caret, error, stack and, last, its own version; npm and
other package managers add lines of their own below the output of the program that failed.
"""

from __future__ import annotations

import re
import signal

from pytest_flowhealth.domain.text import one_line

LONGEST = 300
"""Characters of a cause."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_FATAL = re.compile(r"^(?:#\s*)?(FATAL ERROR: .+|Fatal error in .+)$")
_STACK = re.compile(r"^\s+at\s|^\s*File \"|^\s*\^+\s*$|^\s+\.\.\. \d+ more")
_CARET = re.compile(r"^\s*[~^]+\s*$")
_NODE_VERSION = re.compile(r"^Node\.js v\d")
_ERROR = re.compile(
    r"^(?:error: )?(?:Uncaught )?(?:\(in promise\) )?"
    r"[A-Za-z_$][\w$.]*(?:Error|Exception|Rejection)\b(?: \[[\w ]+\])?: ?.*"
    r"|^Error(?: \[\w+\])?: ?.*|^Aborted\(.*"
)
_CAUSE = re.compile(r"^\s+\[cause\]: (?P<cause>.+?)(?: \{)?$")
_OF_SEVERAL = re.compile(r"^\s+(?P<cause>[\w$.]*Error(?: \[\w+\])?: .+?)(?: \{)?$")
_NPM = re.compile(r"^npm (?:ERR!|error)(?: |$)")
_NPM_FIELD = re.compile(
    r"^(?:code|errno|syscall|path|dest|cwd|workspace|location|command|file|signal|argv|OS)\b|^(?:node|npm)\s+v\d"
    r"|^A complete log|^Lifecycle script|^Exit status|^This is probably not a problem|^There is likely"
    r"|^Failed at the .* script|^\s*$|^[\w./@-]+: `"
)
_NPM_PREFIX = re.compile(r"^(?:404|enoent|notarget|eresolve|ERESOLVE|gyp ERR!|notsup)(?: +|$)")
_SHELL = re.compile(
    r"^(?:\S*/)?(?:ba|da|z|k|a)?sh: .*(?:not found|No such file or directory|Permission denied)"
    r"|^(?:\S*/)?env: .+: (?:No such file or directory|Permission denied)"
)
_TRAILER = re.compile(
    r"^\s*(?:ELIFECYCLE|ERR_PNPM_RECURSIVE_RUN_FIRST_FAIL)\b|^error Command failed with exit code"
    r"|^info Visit |^> |^\d{4}-\d\d-\d\dT.* npm|^Bun v\d|^[\s{}\[\]),;]*$"
)
_WORD = re.compile(
    r"\b(?:error|exception|fatal|panic(?:ked)?|failed|failure|cannot|can't|missing)\b"
    r"|ERR_\w+|\bE[A-Z]{4,}\b|\bbad option\b",
    re.IGNORECASE,
)
_REJECTED = re.compile(
    r"^UnhandledPromiseRejection: .*rejected with the reason \"(?P<reason>.*)\"\."
)
_ENDS = ("Require stack:", "(Use `node --trace", "Emitted 'error' event")
_KILLED = (
    "killed by SIGKILL: the kernel or a container's memory limit does this when memory runs out"
)


def find_cause(output: str, returncode: int | None = None) -> str:
    """Return the cause of a program's end as one line of at most 300 characters.

    Args:
        output: What it wrote: standard error, or both streams together.
        returncode: Its exit code, negative for a signal as in `subprocess`, or 128 + signal as a
            shell reports it; None if unknown.

    Returns:
        The error's own line (``TypeError: x is not a function``), the message of npm or the shell,
        the signal that ended the program, or the last line that says something. For a program that
        wrote nothing, this is said with its exit code.
    """
    lines = [_ANSI.sub("", line).rstrip() for line in output.replace("\r", "\n").split("\n")]
    own = [line for line in lines if not _NPM.match(line)]
    by_signal = _describe_signal(returncode)
    found = _fatal(own) or _uncaught(own)
    if found is None and by_signal is not None:
        found = by_signal
    found = found or _python(own) or _logged(own) or _shell(own) or _npm(lines) or _telling(own)
    return one_line(found or _silent(returncode), LONGEST)


def _fatal(lines: list[str]) -> str | None:
    return next((match[1] for line in lines if (match := _FATAL.match(line))), None)


def _uncaught(lines: list[str]) -> str | None:
    """Return the error that Node prints below the caret and above its version."""
    end = _last(lines, _NODE_VERSION)
    if end is None:
        return None
    caret = _last(lines[:end], _CARET)
    if caret is not None:
        error = _error_at(lines[:end], caret + 1)
        return f"Uncaught {error}" if error in ("null", "undefined") else error
    return _logged(lines[:end])


def _logged(lines: list[str]) -> str | None:
    """Return the last error of the usual form (``Name: message``) at the beginning of a line."""
    at = _last(lines, _ERROR)
    return None if at is None else _error_at(lines, at)


def _error_at(lines: list[str], start: int) -> str | None:
    """Return the error that begins at `start`: its whole message, and the cause that it names."""
    while start < len(lines) and not lines[start]:
        start += 1
    message: list[str] = []
    end = start
    for end in range(start, len(lines)):
        line = lines[end]
        if not line or line.startswith(_ENDS) or _STACK.match(line) or len(message) == 3:
            break
        message.append(line.removesuffix(" {").strip())
    if not message:
        return None
    text = " ".join(message)
    if rejected := _REJECTED.match(text):
        return f"unhandled promise rejection: {rejected['reason']}"
    rest = lines[end:]
    if text.endswith(":"):
        inner = next((match["cause"] for line in rest if (match := _OF_SEVERAL.match(line))), None)
        return f"{text} {inner}" if inner else text
    cause = next((m["cause"] for line in reversed(rest) if (m := _CAUSE.match(line))), None)
    return f"{text} (cause: {cause})" if cause else text


def _python(lines: list[str]) -> str | None:
    """Return the exception below the last traceback."""
    at = _last(lines, re.compile(r"^Traceback \(most recent call last\):"))
    if at is None:
        return None
    rest = (line for line in lines[at + 1 :] if line and not line.startswith(" "))
    return next(rest, None)


def _shell(lines: list[str]) -> str | None:
    return next((line for line in reversed(lines) if _SHELL.match(line)), None)


def _npm(lines: list[str]) -> str | None:
    """Return the first sentence of npm's own message, its error code if it has no sentence."""
    messages = [_NPM.sub("", line) for line in lines if _NPM.match(line)]
    sentences = [line for line in messages if not _NPM_FIELD.match(line)]
    if sentences:
        paragraph = _paragraph(messages[messages.index(sentences[0]) :])
        return f"npm: {' '.join(_NPM_PREFIX.sub('', line) for line in paragraph)}"
    code = next((line for line in messages if line.startswith("code ")), None)
    return None if code is None else f"npm: {code.removeprefix('code ')}"


def _paragraph(lines: list[str]) -> list[str]:
    """Return the lines up to the first that ends a sentence, is empty or has a code before it."""
    taken = [lines[0]]
    while not taken[-1].endswith(".") and len(taken) < min(3, len(lines)):
        following = lines[len(taken)]
        if not following or _NPM_FIELD.match(following) or _NPM_PREFIX.match(following):
            break
        taken.append(following)
    return taken


def _telling(lines: list[str]) -> str | None:
    """Return the last line with a word of failure, else the last that is no part of a stack."""
    lines_left = [
        line.strip() for line in lines if not (_STACK.match(line) or _TRAILER.match(line)) and line
    ]
    lines_left = [line for line in lines_left if not _NODE_VERSION.match(line)]
    return next((line for line in reversed(lines_left) if _WORD.search(line)), None) or (
        lines_left[-1] if lines_left else None
    )


def _describe_signal(returncode: int | None) -> str | None:
    if returncode is None or 0 <= returncode <= 128:
        return None
    number = -returncode if returncode < 0 else returncode - 128
    if number == signal.SIGKILL:
        return _KILLED
    try:
        return f"ended by the signal {signal.Signals(number).name}"
    except ValueError:
        return None


def _silent(returncode: int | None) -> str:
    code = "" if returncode is None else f" and ended with exit code {returncode}"
    return f"it wrote nothing{code}"


def _last(lines: list[str], pattern: re.Pattern[str]) -> int | None:
    return next(
        (index for index in reversed(range(len(lines))) if pattern.match(lines[index])), None
    )

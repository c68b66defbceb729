"""Run a command on a terminal, and answer its question."""

import os
import pty
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.kit.runs import environment


def run_on_terminal(
    folder: Path,
    *words: str,
    answer: bytes = b"",
    env: Mapping[str, str | None] | None = None,
    module: str = "pytest",
) -> tuple[int, str]:
    """Run `module` with `words` in `folder` and type `answer` once "[y/N] " is shown.

    Returns:
        Its exit code, and what it showed.
    """
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", module, *words]
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(argv, cwd=folder, env=environment(env), **streams) as process:  # type: ignore[call-overload]
        os.close(theirs)
        shown = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                part = os.read(ours, 4_096)
            except OSError:  # nobody has the other side any more
                break
            shown += part
            if answer and shown.endswith(b"[y/N] "):
                os.write(ours, answer)
                answer = b""
    os.close(ours)
    return process.returncode, shown.decode()

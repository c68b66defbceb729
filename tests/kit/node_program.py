"""A Node program that a test gives orders: one JSON object a line in, one line out."""

import json
import subprocess
from pathlib import Path
from typing import Self


class NodeProgram:
    """A running Node program; leaving the context kills it.

    Args:
        folder: Where it runs.
        words: The program and its arguments.
    """

    def __init__(self, folder: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            ["node", *words],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def order(self, action: str, **options: object) -> str:
        """Have an action done, and return the line that the program prints then."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"action": action, **options}) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

"""Standard output kept clear for the report alone, with --health-report -."""

from __future__ import annotations

import os

import pytest


class Stdout:
    """Keeps the real standard output aside; whatever else is printed goes to standard error."""

    KEY: pytest.StashKey[Stdout] = pytest.StashKey()

    def __init__(self) -> None:
        self._real = os.dup(1)
        os.dup2(2, 1)

    def write(self, content: bytes) -> None:
        """Write `content` to the real standard output.

        Raises:
            OSError: Nobody reads it any more, or the disk behind it is full.
        """
        view = memoryview(content)
        while view:
            view = view[os.write(self._real, view) :]

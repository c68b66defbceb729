"""A file of the project, and how messages name it."""

from __future__ import annotations

from pathlib import Path

import msgspec


class SourceFile(msgspec.Struct, frozen=True):
    """A file: `label` is its path below the project, or the whole path where it is outside."""

    path: Path
    label: str

    @classmethod
    def below(cls, root: Path, path: Path) -> SourceFile:
        """Return the file at `path`, labelled by its path below `root`."""
        inside = path.is_relative_to(root)
        return cls(path, path.relative_to(root).as_posix() if inside else str(path))

"""Take back what checks have replaced in the standard library, so that the end of a run can rely on it.

A mock of `os.replace` or `time.time` that a check leaves behind must neither change the report nor end
the process in the middle of writing it.
"""

from __future__ import annotations

import builtins
import datetime
import io
import json
import os
import pathlib
import platform
import posixpath
import tempfile
import time
import traceback

_OWNERS: tuple[object, ...] = (
    *(builtins, datetime, io, json, os, pathlib, pathlib.Path, pathlib.PurePath, platform),
    *(posixpath, tempfile, time, traceback),
)

_originals: list[tuple[object, dict[str, object]]] = []

# These may be replaced too.
_setattr, _vars = setattr, vars


def remember_originals() -> None:
    """Remember the public names of the modules that the end of a run uses."""
    _originals[:] = [
        (owner, {name: value for name, value in vars(owner).items() if not name.startswith("_")})
        for owner in _OWNERS
    ]


def restore_originals() -> None:
    """Restore what has been replaced since."""
    for owner, names in _originals:
        present = _vars(owner)
        for name, value in names.items():
            if present.get(name) is not value:
                _setattr(owner, name, value)

"""Whether somebody agreed to send reports to a receiver: asked once, remembered, and taken back at any time."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from pytest_flowhealth.config.atomic import replace_file
from pytest_flowhealth.config.environment import SUBMIT

DO_NOT_TRACK = "DO_NOT_TRACK"
"""https://consoledonottrack.com : set, nothing is sent."""

Consent = Literal["yes", "no", "forbidden", "unknown"]
"""`forbidden` is DO_NOT_TRACK's, which goes before everything else."""

_NO = frozenset({"", "0", "false", "no"})


class Remembered(msgspec.Struct, frozen=True):
    """What was answered, by receiver: a scheme, a host and a port."""

    receivers: dict[str, bool] = {}


def file_of(environ: Mapping[str, str]) -> Path | None:
    """Return where answers are remembered (XDG Base Directory); None where there is no such place."""
    base = environ.get("XDG_CONFIG_HOME") or ""
    if not Path(base).is_absolute():
        home = environ.get("HOME") or ""
        base = f"{home}/.config" if Path(home).is_absolute() else ""
    return Path(base) / "pytest-flowhealth" / "consent.json" if base else None


def consent_of(receiver: str, environ: Mapping[str, str]) -> Consent:
    """Return what is known before anybody is asked.

    The configuration has no say: it may be the installed package's own.

    Args:
        receiver: Its scheme, host and port.
        environ: The environment.
    """
    if environ.get(DO_NOT_TRACK, "").strip().lower() not in _NO:
        return "forbidden"
    said = environ.get(SUBMIT, "").strip().lower()
    if said:
        return "no" if said in _NO else "yes" if said in ("yes", "1", "true") else "unknown"
    found = _read(file_of(environ)).receivers.get(receiver)
    return "unknown" if found is None else "yes" if found else "no"


def remember(receiver: str, environ: Mapping[str, str], *, agreed: bool) -> bool:
    """Remember an answer; tell whether that was possible."""
    path = file_of(environ)
    if path is None:
        return False
    known = {**_read(path).receivers, receiver: agreed}
    return _written(path, Remembered(known))


def withdraw(environ: Mapping[str, str]) -> list[str]:
    """Forget every answer; return the receivers that had been agreed to.

    Raises:
        OSError: The file can't be removed.
    """
    path = file_of(environ)
    if path is None:
        return []
    agreed = [name for name, yes in _read(path).receivers.items() if yes]
    path.unlink(missing_ok=True)
    return agreed


def _read(path: Path | None) -> Remembered:
    with contextlib.suppress(OSError, msgspec.DecodeError, ValueError):
        if path is not None:
            return msgspec.json.decode(path.read_bytes(), type=Remembered)
    return Remembered()


def _written(path: Path, content: Remembered) -> bool:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, msgspec.json.encode(content), mode=0o600)
    except OSError:
        return False
    return True

"""Consent to send reports to a receiver: asked for once, saved, and withdrawn at any time."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from pytest_flowhealth.config.atomic import replace_file
from pytest_flowhealth.config.environment import SUBMIT

DO_NOT_TRACK = "DO_NOT_TRACK"
"""The variable that forbids sending (consoledonottrack.com)."""

Consent = Literal["yes", "no", "forbidden", "unknown"]
"""`forbidden`: by DO_NOT_TRACK, which takes precedence over everything else."""

_NO = frozenset({"", "0", "false", "no"})


class SavedConsent(msgspec.Struct, frozen=True):
    """The answers by receiver: a scheme, a host and a port."""

    receivers: dict[str, bool] = {}


def find_consent_file(environ: Mapping[str, str]) -> Path | None:
    """Return the file of the answers (XDG Base Directory); None if there is no such folder."""
    base = environ.get("XDG_CONFIG_HOME") or ""
    if not Path(base).is_absolute():
        home = environ.get("HOME") or ""
        base = f"{home}/.config" if Path(home).is_absolute() else ""
    return Path(base) / "pytest-flowhealth" / "consent.json" if base else None


def find_consent(receiver: str, environ: Mapping[str, str]) -> Consent:
    """Return the consent that is known without asking.

    The configuration has no effect: it may be the installed package's own.

    Args:
        receiver: Its scheme, host and port.
        environ: The environment.
    """
    if environ.get(DO_NOT_TRACK, "").strip().lower() not in _NO:
        return "forbidden"
    answer = environ.get(SUBMIT, "").strip().lower()
    if answer:
        return "no" if answer in _NO else "yes" if answer in ("yes", "1", "true") else "unknown"
    found = _read(find_consent_file(environ)).receivers.get(receiver)
    return "unknown" if found is None else "yes" if found else "no"


def remember(receiver: str, environ: Mapping[str, str], *, agreed: bool) -> bool:
    """Save an answer; return whether that was possible."""
    path = find_consent_file(environ)
    if path is None:
        return False
    known = {**_read(path).receivers, receiver: agreed}
    return _written(path, SavedConsent(known))


def withdraw(environ: Mapping[str, str]) -> list[str]:
    """Delete every answer; return the receivers that had consent.

    Raises:
        OSError: The file can't be removed.
    """
    path = find_consent_file(environ)
    if path is None:
        return []
    agreed = [name for name, yes in _read(path).receivers.items() if yes]
    path.unlink(missing_ok=True)
    return agreed


def _read(path: Path | None) -> SavedConsent:
    with contextlib.suppress(OSError, msgspec.DecodeError, ValueError):
        if path is not None:
            return msgspec.json.decode(path.read_bytes(), type=SavedConsent)
    return SavedConsent()


def _written(path: Path, content: SavedConsent) -> bool:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, msgspec.json.encode(content), mode=0o600)
    except OSError:
        return False
    return True

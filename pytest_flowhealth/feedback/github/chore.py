"""Sees to the issues of a project, alone: reads what was reported, opens and brings up to date."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.text import Redactor, secrets_in
from pytest_flowhealth.errors import FlowHealthError, UsageError
from pytest_flowhealth.feedback.github.notes import Notes
from pytest_flowhealth.feedback.github.tend import Done, Policy, tend
from pytest_flowhealth.feedback.reports import store
from pytest_flowhealth.feedback.reports.report import Kind
from pytest_flowhealth.history.keeping import opened, said
from pytest_flowhealth.probes.github.settings import client_of

_WAIT = 5.0

Reported = Callable[[sqlite3.Connection], Sequence[Kind]]


def reported(connection: sqlite3.Connection) -> Sequence[Kind]:
    """Return what was reported and is still kept."""
    return store.kinds(connection)


def scrubbed(kinds: Sequence[Kind], environ: Mapping[str, str]) -> list[Kind]:
    """Return the kinds without secrets of this machine: once more, after who sent and who took them."""
    redact = Redactor(secrets_in(environ))
    return [msgspec.structs.replace(one, error=redact(one.error)) for one in kinds]


def see_to(
    path: Path, target: Target, environ: Mapping[str, str], ask: Reported | None = None
) -> Done:
    """Open issues, and bring them up to date; what goes wrong is in what is returned.

    Args:
        path: The history's file.
        target: The project.
        environ: Where the token is.
        ask: Reads what was reported; by default what the page received.
    """
    try:
        client, policy = client_of(target, environ), Policy.from_target(target)
        with alone(path), opened(path, _WAIT) as connection:
            kinds = scrubbed((ask or reported)(connection), environ)
            return tend(Notes(connection, client.base), kinds, client, policy)
    except FlowHealthError as error:
        return Done(problem=error.message, remedy=error.remedy)
    except sqlite3.Error as error:
        return Done(problem=f"the history can't be used: {said(error)}")
    except OSError as error:
        return Done(problem=f"the history can't be used: {error.strerror or error}")


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes with the same history out; a lock that ends with the process (flock(2)).

    Raises:
        UsageError: Another has it.
        OSError: It can't be had.
    """
    name = path.with_name(f"{path.name}.issues")
    file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                "another process sees to the issues just now; try again in a minute"
            ) from None
        yield
    finally:
        os.close(file)

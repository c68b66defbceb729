"""Reports of installations in the history: kept, erased, counted."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from pytest_flowhealth.history.database import erasing, transaction
from pytest_flowhealth.install_reports.report import FailureGroup, InstallReport
from pytest_flowhealth.probes.registry.reports import InstallCount

MOST = 20
"""Versions, and the like, that are told of one kind, or of all, at the most."""


class Kept(msgspec.Struct, frozen=True):
    """A report as it is kept.

    Attributes:
        proof: The SHA-256 of its id: who has the id may erase it.
        at: When it came, in seconds since 1970.
        report: Without its context, scrubbed.
        kind: Its error's fingerprint; None where it went well.
        source: What stands for the sender's network on that day.
        context: Its sealed context, None for none.
    """

    proof: bytes
    at: float
    report: InstallReport
    kind: str | None
    source: bytes
    context: bytes | None = None


class Totals(msgspec.Struct, frozen=True):
    """How installations of a package went."""

    succeeded: int
    failed: int
    versions: tuple[InstallCount, ...] = ()
    nodes: tuple[InstallCount, ...] = ()
    platforms: tuple[InstallCount, ...] = ()


class Received(msgspec.Struct, frozen=True):
    """A report that is kept, by its number; `sealed` tells whether it has a context."""

    number: int
    at: float
    package: str
    version: str | None
    node: str | None
    npm: str | None
    platform: str | None
    step: str
    ok: bool
    seconds: float | None
    kind: str | None
    error: str
    sealed: bool


def new_id() -> str:
    """Return an id that nobody can guess."""
    return secrets.token_urlsafe(24)


def proof_of(name: str) -> bytes:
    """Return what is kept of an id."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()


def add(connection: sqlite3.Connection, reports: Iterable[Kept]) -> None:
    """Keep reports, all or none of them; they are on the disk afterwards.

    Raises:
        sqlite3.Error: They can't be written.
    """
    connection.execute("PRAGMA synchronous = FULL")
    with erasing(connection), transaction(connection):
        connection.executemany(
            "INSERT INTO reports (proof, at, package, version, node, npm, platform, step, ok, "
            "seconds, kind, error, source, context) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_row(one) for one in reports],
        )


def erase(connection: sqlite3.Connection, name: str) -> bool:
    """Erase the report with an id, whatever is kept of it; tell whether there was one.

    Raises:
        sqlite3.Error: It can't be done.
    """
    with erasing(connection):
        with transaction(connection):
            done = connection.execute("DELETE FROM reports WHERE proof = ?", (proof_of(name),))
        # Of the log too; where others read it just now, it goes when the last of them closes the file.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return done.rowcount > 0


def kinds(connection: sqlite3.Connection, since: float = 0.0) -> list[FailureGroup]:
    """Return the failures that are one, the most reported first.

    Args:
        connection: The history.
        since: When a report must have come to count, in seconds since 1970.
    """
    counted = {
        column: _by_kind(connection, column, since) for column in ("version", "node", "platform")
    }
    # SQLite takes the other columns from the row with the greatest `at`.
    rows = connection.execute(
        "SELECT kind, package, error, step, count(*), min(at), max(at), count(DISTINCT source) "
        "FROM reports WHERE ok = 0 AND at >= ? GROUP BY kind ORDER BY count(*) DESC, max(at) DESC, kind",
        (since,),
    )
    return [
        FailureGroup(
            fingerprint=row[0],
            package=row[1],
            error=row[2],
            step=row[3],
            count=row[4],
            first=row[5],
            last=row[6],
            versions=counted["version"][row[0]],
            nodes=counted["node"][row[0]],
            platforms=counted["platform"][row[0]],
            sources=row[7],
        )
        for row in rows
    ]


def totals(
    connection: sqlite3.Connection, packages: Sequence[str], since: float, until: float
) -> Totals:
    """Return how the installations of packages went between two times."""
    chosen = (*packages, since, until)
    rows = dict(
        connection.execute(
            f"SELECT ok, count(*) FROM reports WHERE {_which(packages)} GROUP BY ok",  # noqa: S608  # our own text
            chosen,
        ).fetchall()
    )
    return Totals(
        rows.get(1, 0),
        rows.get(0, 0),
        *(
            _parts(connection, column, _which(packages), chosen)
            for column in ("version", "node", "platform")
        ),
    )


def latest(
    connection: sqlite3.Connection, since: float, until: float, limit: int
) -> list[Received]:
    """Return the last reports between two times, the newest first."""
    rows = connection.execute(
        "SELECT id, at, package, version, node, npm, platform, step, ok, seconds, kind, error, "
        "context IS NOT NULL FROM reports WHERE at >= ? AND at < ? ORDER BY at DESC, id DESC LIMIT ?",
        (since, until, limit),
    )
    return [Received(*(*row[:8], bool(row[8]), *row[9:12], bool(row[12]))) for row in rows]


def sealed(connection: sqlite3.Connection, number: int) -> bytes | None:
    """Return the sealed context of a report; None where there is none."""
    row = connection.execute("SELECT context FROM reports WHERE id = ?", (number,)).fetchone()
    found: bytes | None = row[0] if row else None
    return found


def newest_sealed(connection: sqlite3.Connection) -> tuple[bytes | None, int]:
    """Return the newest sealed context, and how many there are."""
    (count,) = connection.execute("SELECT count(context) FROM reports").fetchone()
    row = connection.execute(
        "SELECT context FROM reports WHERE context IS NOT NULL ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return (row[0] if row else None), count


def _row(one: Kept) -> tuple[object, ...]:
    report = one.report
    platform = "-".join(part for part in (report.os, report.arch) if part) or None
    return (
        *(one.proof, one.at, report.package, report.version, report.node, report.npm, platform),
        *(report.step, report.outcome == "success", report.seconds, one.kind, report.error),
        *(one.source, one.context),
    )


def _which(packages: Sequence[str]) -> str:
    return f"package IN ({', '.join('?' * len(packages))}) AND at >= ? AND at < ?"


def _parts(
    connection: sqlite3.Connection, column: str, which: str, chosen: tuple[object, ...]
) -> tuple[InstallCount, ...]:
    rows = connection.execute(
        f"SELECT {column}, sum(ok), sum(1 - ok) FROM reports WHERE {which} "  # noqa: S608  # as above
        f"GROUP BY {column} ORDER BY count(*) DESC, {column} LIMIT {MOST}",
        chosen,
    )
    return tuple(InstallCount(*row) for row in rows)


def _by_kind(
    connection: sqlite3.Connection, column: str, since: float
) -> dict[str, tuple[tuple[str, int], ...]]:
    rows = connection.execute(
        f"SELECT kind, {column}, count(*) FROM reports WHERE ok = 0 AND at >= ? "  # noqa: S608  # as above
        f"AND {column} IS NOT NULL GROUP BY kind, {column} ORDER BY count(*) DESC, {column}",
        (since,),
    )
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for kind, name, count in rows:
        if len(found[kind]) < MOST:
            found[kind].append((name, count))
    return defaultdict(tuple, {kind: tuple(ones) for kind, ones in found.items()})

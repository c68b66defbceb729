"""Install reports in the history: stored, erased and counted."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from pytest_flowhealth.history.database import secure_delete, transaction
from pytest_flowhealth.install_reports.report import FailureGroup, InstallReport
from pytest_flowhealth.probes.registry.reports import InstallCount

MOST = 20
"""Maximum number of versions, Node versions and platforms that are listed."""


class StoredReport(msgspec.Struct, frozen=True):
    """A report as it is stored.

    Attributes:
        proof: The SHA-256 of its id: whoever has the id may erase it.
        at: Time of arrival, in seconds since 1970.
        report: Without its context, scrubbed.
        kind: The fingerprint of its error; None for a success.
        source: The anonymous key of the sender's network on that day.
        context: Its encrypted context; None if it has none.
    """

    proof: bytes
    at: float
    report: InstallReport
    kind: str | None
    source: bytes
    context: bytes | None = None


class Totals(msgspec.Struct, frozen=True):
    """Number of successful and failed installations."""

    succeeded: int
    failed: int
    versions: tuple[InstallCount, ...] = ()
    nodes: tuple[InstallCount, ...] = ()
    platforms: tuple[InstallCount, ...] = ()


class Received(msgspec.Struct, frozen=True):
    """A stored report; `sealed` tells whether it has a context."""

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


def make_id() -> str:
    """Return a random id of 192 bits."""
    return secrets.token_urlsafe(24)


def hash_id(name: str) -> bytes:
    """Return the hash of an id, which is stored in its place."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()


def add(connection: sqlite3.Connection, reports: Iterable[StoredReport]) -> None:
    """Store reports durably, all or none of them.

    Raises:
        sqlite3.Error: They can't be written.
    """
    connection.execute("PRAGMA synchronous = FULL")
    with secure_delete(connection), transaction(connection):
        connection.executemany(
            "INSERT INTO reports (proof, at, package, version, node, npm, platform, step, ok, "
            "seconds, kind, error, source, context) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_make_row(report) for report in reports],
        )


def erase(connection: sqlite3.Connection, name: str) -> bool:
    """Erase the report with an id completely; return whether there was one.

    Raises:
        sqlite3.Error: The history can't be written.
    """
    with secure_delete(connection):
        with transaction(connection):
            done = connection.execute("DELETE FROM reports WHERE proof = ?", (hash_id(name),))
        # From the log, too; if others read it now, when the last of them closes the file.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return done.rowcount > 0


def kinds(connection: sqlite3.Connection, since: float = 0.0) -> list[FailureGroup]:
    """Return the failures grouped by fingerprint, the most frequent first.

    Args:
        connection: The history.
        since: The earliest time of arrival, in seconds since 1970.
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
    """Return the number of successful and failed installations of packages between two times."""
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
    """Return the newest reports between two times, the newest first."""
    rows = connection.execute(
        "SELECT id, at, package, version, node, npm, platform, step, ok, seconds, kind, error, "
        "context IS NOT NULL FROM reports WHERE at >= ? AND at < ? ORDER BY at DESC, id DESC LIMIT ?",
        (since, until, limit),
    )
    return [Received(*(*row[:8], bool(row[8]), *row[9:12], bool(row[12]))) for row in rows]


def sealed(connection: sqlite3.Connection, number: int) -> bytes | None:
    """Return the encrypted context of a report; None if it has none."""
    row = connection.execute("SELECT context FROM reports WHERE id = ?", (number,)).fetchone()
    found: bytes | None = row[0] if row else None
    return found


def newest_sealed(connection: sqlite3.Connection) -> tuple[bytes | None, int]:
    """Return the newest encrypted context, and the number of contexts."""
    (count,) = connection.execute("SELECT count(context) FROM reports").fetchone()
    row = connection.execute(
        "SELECT context FROM reports WHERE context IS NOT NULL ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return (row[0] if row else None), count


def _make_row(stored: StoredReport) -> tuple[object, ...]:
    report = stored.report
    platform = "-".join(part for part in (report.os, report.arch) if part) or None
    return (
        *(
            stored.proof,
            stored.at,
            report.package,
            report.version,
            report.node,
            report.npm,
            platform,
        ),
        *(report.step, report.outcome == "success", report.seconds, stored.kind, report.error),
        *(stored.source, stored.context),
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
    return defaultdict(tuple, {kind: tuple(counts) for kind, counts in found.items()})

"""The SQLite file of the history: open it, migrate its schema, move a broken one aside."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from pytest_flowhealth.errors import UsageError

APPLICATION = 0x666C6F77
"""The application_id (PRAGMA) of a history file: "flow" in ASCII."""

MIGRATIONS = (
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, started REAL NOT NULL, duration REAL NOT NULL,
        status TEXT NOT NULL, target TEXT, version TEXT, fingerprint TEXT NOT NULL,
        baseline TEXT UNIQUE, report BLOB NOT NULL
    );
    CREATE INDEX runs_started ON runs (started);
    CREATE TABLE outcomes (
        run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, id TEXT NOT NULL,
        component TEXT NOT NULL, outcome TEXT NOT NULL, duration REAL NOT NULL, message TEXT NOT NULL,
        PRIMARY KEY (run, id)
    ) WITHOUT ROWID;
    CREATE TABLE metrics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, unit TEXT NOT NULL);
    CREATE TABLE measurements (
        metric INTEGER NOT NULL, run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
        value REAL NOT NULL, count INTEGER NOT NULL, samples BLOB NOT NULL,
        PRIMARY KEY (metric, run)
    ) WITHOUT ROWID;
    CREATE INDEX measurements_run ON measurements (run);
    CREATE TABLE samples (
        metric INTEGER NOT NULL, at INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (metric, at)
    ) WITHOUT ROWID;
    CREATE TABLE minutes (
        metric INTEGER NOT NULL, hour INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (metric, hour)
    ) WITHOUT ROWID;
    CREATE TABLE tens (
        metric INTEGER NOT NULL, hour INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (metric, hour)
    ) WITHOUT ROWID;
    CREATE TABLE hours (
        metric INTEGER NOT NULL, hour INTEGER NOT NULL, count INTEGER NOT NULL, least REAL NOT NULL,
        greatest REAL NOT NULL, total REAL NOT NULL, sketch BLOB NOT NULL, PRIMARY KEY (metric, hour)
    ) WITHOUT ROWID;
    CREATE TABLE alert_events (
        id INTEGER PRIMARY KEY, at REAL NOT NULL, alert TEXT NOT NULL, state TEXT NOT NULL,
        severity TEXT NOT NULL, data BLOB NOT NULL
    );
    CREATE INDEX alert_events_at ON alert_events (at);
    CREATE TABLE outbox (
        id TEXT PRIMARY KEY, created REAL NOT NULL, receiver TEXT NOT NULL, attempts INTEGER NOT NULL,
        due REAL NOT NULL, message BLOB NOT NULL
    );
    CREATE TABLE logs (at REAL NOT NULL, severity TEXT NOT NULL, text TEXT NOT NULL);
    CREATE INDEX logs_at ON logs (severity, at);
    """,
    """
    DROP TABLE logs;
    DROP TABLE outbox;
    CREATE TABLE outbox (id TEXT PRIMARY KEY, created REAL NOT NULL, data BLOB NOT NULL);
    CREATE TABLE alerts (name TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE silences (
        id TEXT PRIMARY KEY, pattern TEXT NOT NULL, begins REAL NOT NULL, ends REAL NOT NULL,
        reason TEXT NOT NULL, author TEXT NOT NULL
    );
    CREATE TABLE acknowledged (
        alert TEXT PRIMARY KEY, at REAL NOT NULL, author TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE facts (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
    """,
    """
    CREATE TABLE reports (
        id INTEGER PRIMARY KEY, proof BLOB NOT NULL UNIQUE, at REAL NOT NULL, package TEXT NOT NULL,
        version TEXT, node TEXT, npm TEXT, platform TEXT, step TEXT NOT NULL, ok INTEGER NOT NULL,
        seconds REAL, kind TEXT, error TEXT NOT NULL, source BLOB NOT NULL, context BLOB
    );
    CREATE INDEX reports_at ON reports (at);
    """,
    """
    CREATE TABLE github_issues (
        repository TEXT NOT NULL, fingerprint TEXT NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (repository, fingerprint)
    ) WITHOUT ROWID;
    """,
    "ALTER TABLE runs ADD COLUMN instance TEXT;",
)
"""The migrations from each version of the schema (PRAGMA user_version) to the next."""

_BROKEN = ("not a database", "malformed", "disk image", "no such table", "no such column")


def connect(path: Path, *, wait: float) -> sqlite3.Connection:
    """Open the file for reading and writing; create it and migrate its schema if necessary.

    Args:
        path: The file; its folder must exist.
        wait: Seconds to wait for another process's write lock.

    Raises:
        UsageError: A newer version of this program made it, or another program.
        sqlite3.Error: It can't be used.
    """
    connection = sqlite3.connect(path, timeout=wait, isolation_level=None)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        _require_known(connection, path)
        if _version(connection) < len(MIGRATIONS):
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def require_usable(path: Path) -> None:
    """Check that a path can be the history.

    Raises:
        UsageError: It is a folder, or the database of another program or of a newer version.
    """
    if path.is_dir():
        raise UsageError(f"the history can't be kept in {path}: it is a folder; name a file")
    if not path.is_file():
        return
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        ) as file:
            _require_known(file, path)
    except sqlite3.Error:
        return  # other problems are handled when it is opened


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run statements in one transaction with the write lock: all of them or none.

    Raises:
        sqlite3.OperationalError: Another process held it for longer than the connection's time limit.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextlib.contextmanager
def secure_delete(connection: sqlite3.Connection) -> Iterator[None]:
    """Overwrite deleted content with zeros (SQLite's secure_delete).

    Inserts need it too if people may ask to be erased: SQLite leaves copies of rows in pages it splits.
    """
    connection.execute("PRAGMA secure_delete = ON")
    try:
        yield
    finally:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("PRAGMA secure_delete = OFF")


def is_broken(error: sqlite3.Error) -> bool:
    """Tell whether an error means that the file is corrupt, or not a history."""
    message = str(error).lower()
    return isinstance(error, sqlite3.DatabaseError) and any(sign in message for sign in _BROKEN)


def move_aside(path: Path) -> Path:
    """Rename a corrupt file with its -wal and -shm files, and return its new path.

    Raises:
        OSError: It can't be renamed.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    path.rename(aside)
    for end in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
    return aside


def _require_known(connection: sqlite3.Connection, path: Path) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise UsageError(
            f"the history can't be kept in {path}: it is another program's database; name another file"
        )
    if _version(connection) > len(MIGRATIONS):
        raise UsageError(
            f"the history {path} was made by a newer version of pytest-flowhealth; "
            "upgrade: pip install -U pytest-flowhealth"
        )


def _version(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return number


def _migrate(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        # Another process may have done it while this one waited.
        for number in range(_version(connection), len(MIGRATIONS)):
            for statement in MIGRATIONS[number].split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute(f"PRAGMA application_id = {APPLICATION}")

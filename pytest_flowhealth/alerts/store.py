"""Alerts in the history file: states, events, the outbox, silences and acknowledgements."""

from __future__ import annotations

import datetime
import secrets
import sqlite3
from collections.abc import Mapping, Sequence

import msgspec

from pytest_flowhealth.alerts.engine import Event, TrackedAlert
from pytest_flowhealth.alerts.message import Alert
from pytest_flowhealth.alerts.outbox import Pending
from pytest_flowhealth.history.database import transaction

_tracked = msgspec.msgpack.Decoder(TrackedAlert)
_pending = msgspec.msgpack.Decoder(Pending)

CLOCK = "clock"
"""The fact that is the last time of the clock that never goes back."""


class Silence(msgspec.Struct, frozen=True):
    """A silence that somebody made while the monitor runs; times in seconds since 1970."""

    id: str
    pattern: str
    begins: float
    ends: float
    reason: str = ""
    author: str = ""


class AlertRecord(Alert, frozen=True):
    """An alert as an event keeps it, with who was notified and who acknowledged it; as in `Event`."""

    notified: tuple[str, ...] | None = None
    acknowledged: str | None = None


_record = msgspec.msgpack.Decoder(AlertRecord)


class Changes(msgspec.Struct, frozen=True):
    """What is to be written at once.

    Attributes:
        alerts: By name; None for one that is forgotten.
        events: What became of alerts.
        pending: Messages that wait, new or tried again; `done` the ids of those that wait no more.
        clock: The time of the clock that never goes back.
        ended: The alerts that no longer fire: nobody need take care of them.
    """

    alerts: Mapping[str, TrackedAlert | None]
    events: Sequence[Event]
    pending: Sequence[Pending]
    done: Sequence[str]
    clock: float
    ended: Sequence[str] = ()


def write_changes(connection: sqlite3.Connection, changes: Changes) -> None:
    """Write all of it or nothing.

    Raises:
        sqlite3.Error: It can't be written.
    """
    with transaction(connection):
        authors = read_acknowledged(connection) if changes.events else {}
        for name, record in changes.alerts.items():
            if record is None:
                connection.execute("DELETE FROM alerts WHERE name = ?", (name,))
            else:
                row = (name, msgspec.msgpack.encode(record))
                connection.execute("INSERT OR REPLACE INTO alerts VALUES (?, ?)", row)
        connection.executemany(
            "INSERT INTO alert_events (at, alert, state, severity, data) VALUES (?, ?, ?, ?, ?)",
            [_event(event, authors.get(event.alert.name)) for event in changes.events],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO outbox VALUES (?, ?, ?)",
            [
                (
                    pending.message.id,
                    pending.message.at.timestamp(),
                    msgspec.msgpack.encode(pending),
                )
                for pending in changes.pending
            ],
        )
        connection.executemany(
            "DELETE FROM outbox WHERE id = ?", [(name,) for name in changes.done]
        )
        connection.executemany(
            "DELETE FROM acknowledged WHERE alert = ?", [(name,) for name in changes.ended]
        )
        connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (CLOCK, changes.clock))


def read_alerts(connection: sqlite3.Connection) -> dict[str, TrackedAlert]:
    """Return the alerts that are remembered, by name.

    Raises:
        sqlite3.Error: They can't be read.
    """
    rows = connection.execute("SELECT name, data FROM alerts")
    return {name: _tracked.decode(data) for name, data in rows}


def read_outbox(connection: sqlite3.Connection) -> list[Pending]:
    """Return the messages that wait, the oldest first.

    Raises:
        sqlite3.Error: They can't be read.
    """
    rows = connection.execute("SELECT data FROM outbox ORDER BY created, rowid")
    return [_pending.decode(data) for (data,) in rows]


def read_fact(connection: sqlite3.Connection, name: str) -> float | None:
    """Return a fact, None where there is none.

    Raises:
        sqlite3.Error: It can't be read.
    """
    row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return None if row is None else float(row[0])


def read_events(
    connection: sqlite3.Connection, *, since: float = 0.0, limit: int = 1_000
) -> list[Event]:
    """Return what became of alerts, the last written first.

    Raises:
        sqlite3.Error: It can't be read.
    """
    rows = connection.execute(
        "SELECT at, state, data FROM alert_events WHERE at >= ? ORDER BY id DESC LIMIT ?",
        (since, limit),
    )
    found = []
    for at, state, data in rows:
        alert = _record.decode(data)
        moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
        found.append(Event(moment, state, alert, alert.notified, alert.acknowledged))
    return found


def read_silences(connection: sqlite3.Connection, now: float) -> list[Silence]:
    """Return the silences that have not ended.

    Raises:
        sqlite3.Error: They can't be read.
    """
    rows = connection.execute(
        "SELECT id, pattern, begins, ends, reason, author FROM silences WHERE ends > ?", (now,)
    )
    return [Silence(*row) for row in rows]


def save_silence(connection: sqlite3.Connection, silence: Silence) -> str:
    """Keep a silence, and return its id.

    Raises:
        sqlite3.Error: It can't be written.
    """
    name = silence.id or secrets.token_hex(4)
    with transaction(connection):
        connection.execute(
            "INSERT OR REPLACE INTO silences VALUES (?, ?, ?, ?, ?, ?)",
            (name, silence.pattern, silence.begins, silence.ends, silence.reason, silence.author),
        )
    return name


def end_silence(connection: sqlite3.Connection, name: str, now: float) -> bool:
    """End a silence; tell whether there was one that had not ended.

    Raises:
        sqlite3.Error: It can't be written.
    """
    with transaction(connection):
        found = connection.execute(
            "UPDATE silences SET ends = ? WHERE id = ? AND ends > ?", (now, name, now)
        )
    return found.rowcount > 0


def acknowledge(connection: sqlite3.Connection, alert: str, at: float, author: str) -> None:
    """Note that somebody takes care of an alert.

    Raises:
        sqlite3.Error: It can't be written.
    """
    with transaction(connection):
        connection.execute(
            "INSERT OR REPLACE INTO acknowledged VALUES (?, ?, ?)", (alert, at, author)
        )


def withdraw_acknowledgement(connection: sqlite3.Connection, alert: str) -> bool:
    """Note that nobody takes care of an alert any more; tell whether somebody did.

    Raises:
        sqlite3.Error: It can't be written.
    """
    with transaction(connection):
        found = connection.execute("DELETE FROM acknowledged WHERE alert = ?", (alert,))
    return found.rowcount > 0


def read_acknowledged(connection: sqlite3.Connection) -> dict[str, str]:
    """Return who takes care of which alert.

    Raises:
        sqlite3.Error: It can't be read.
    """
    return dict(connection.execute("SELECT alert, author FROM acknowledged"))


def _event(event: Event, author: str | None) -> tuple[object, ...]:
    facts = msgspec.structs.asdict(event.alert)
    record = AlertRecord(**facts, notified=event.notified, acknowledged=author)
    return (
        event.at.timestamp(),
        event.alert.name,
        event.what,
        event.alert.severity,
        msgspec.msgpack.encode(record),
    )

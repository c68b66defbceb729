"""The workers of a queue, by their connections to its Redis (CLIENT LIST)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.fleet.snapshot import Agent
from pytest_flowhealth.probes.fleet.sources.redis_reading import Records

MOST_CLIENTS = 10_000
"""Connections that are looked at."""

_BLOCKING = frozenset({"brpoplpush", "blmove", "bzpopmin", "brpop"})

Client = Mapping[str, Any]


class Workers(msgspec.Struct, frozen=True):
    """The workers of a queue.

    Attributes:
        members: Their connections.
        never: What can't be known of them, with the reason.
        elsewhere: Workers of a queue with this name in another database, or with another prefix.
        complete: Whether no other connection to the database lacks a name, which could be a worker's.
    """

    members: tuple[Agent, ...] = ()
    never: dict[str, str] = {}
    elsewhere: tuple[str, ...] = ()
    complete: bool = False


def list_clients(records: Records, key: str) -> Sequence[Client] | str:
    """Return the connections to the Redis that holds `key`, or why they are not known."""
    try:
        listed = records.ask_optional(lambda session: session.query("CLIENT", "LIST"), key=key)
    except MeasurementUnavailable as error:
        return f"CLIENT LIST is not available ({error.message})"
    return tuple(listed[:MOST_CLIENTS])


def waits_for_jobs(client: Client, database: int) -> bool:
    """Return whether a connection waits, or waited last, for an element of a list or a set."""
    return client.get("cmd") in _BLOCKING and str(client.get("db", database)) == str(database)


def find_workers(
    clients: Sequence[Client] | str,
    queue: str,
    *,
    prefix: str,
    database: int,
    blocking: bool,
) -> Workers:
    """Return the workers of a queue of BullMQ or Bull, whose connections have its name.

    Args:
        clients: The connections, or why they are not known.
        queue: The queue's name.
        prefix: The prefix of its keys.
        database: The number of its database.
        blocking: Whether only connections that wait for jobs are workers.
    """
    if isinstance(clients, str):
        return Workers(never=dict.fromkeys(("agents", "processes"), clients))
    suffix = ":" + b64encode(queue.encode()).decode()
    members, elsewhere, unnamed, complete = [], [], False, True
    for client in clients:
        waits, number = waits_for_jobs(client, database), str(client.get("db", database))
        name, _, label = str(client.get("name", "")).partition(":w:")
        unnamed |= waits and not name
        # Our own connection has no name either, and asks for this list.
        asks = str(client.get("cmd")).partition("|")[0] == "client"
        complete &= bool(name) or asks or number != str(database)
        waited = client.get("cmd") in _BLOCKING
        if not name.endswith(suffix) or (blocking and not waited):
            continue
        # BullMQ writes "undefined" for an option `prefix: undefined`, which means the default.
        used = name.removesuffix(suffix)
        if used in (prefix, "undefined") and number == str(database):
            address = str(client.get("addr", "?"))
            members.append(Agent(id=label[:200] or f"worker at {address}", address=address))
        else:
            elsewhere.append(f"one in database {number} with the prefix {used}"[:200])
    if unnamed and not members:
        reason = "connections that wait for jobs have no names (CLIENT SETNAME is not available)"
        return Workers(never=dict.fromkeys(("agents", "processes"), reason))
    return Workers(tuple(members), {}, tuple(dict.fromkeys(elsewhere)), complete)

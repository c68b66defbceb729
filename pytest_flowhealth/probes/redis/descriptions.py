"""What a server's own statistics say is wrong with its memory and its replication, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.redis.info import ServerState

WASTE = 100_000_000
"""Bytes of memory from which on fragmentation is worth a word."""

LAG = 10
"""Seconds that a replica may be behind."""


def describe_waste(state: ServerState) -> Iterator[str]:
    """Yield what is wrong between the memory that is used and what the system gave for it."""
    used, given = state.memory.used_memory, state.memory.used_memory_rss
    if used is None or given is None:
        return
    if given > 1.5 * used and given - used > WASTE:
        yield (
            f"Redis at {state.place} holds {given / 1e6:,.0f} MB for {used / 1e6:,.0f} MB of data: "
            f"its memory is fragmented ({state.cli} MEMORY PURGE)"
        )
    if given < 0.8 * used and used - given > WASTE:
        yield f"Redis at {state.place} has part of its {used / 1e6:,.0f} MB swapped to disk"


def describe_lag(state: ServerState) -> Iterator[str]:
    """Yield which replica is behind.

    Raises:
        CheckFailed: A replica has lost its primary.
    """
    seen = state.replication
    if seen.master_sync_in_progress:
        yield f"the replica {state.place} is being filled from {seen.primary}"
    elif seen.primary and seen.master_link_status != "up":
        down = seen.master_link_down_since_seconds
        since = "" if down is None or down < 0 else f" for {down:,} s"
        raise CheckFailed(f"the replica {state.place} has no link to {seen.primary}{since}")
    for replica in seen.replicas:
        if replica.state != "online":
            yield f"the replica {replica.place} of {state.place} is not online: {replica.state}"
        elif (replica.lag or 0) > LAG:
            yield f"the replica {replica.place} of {state.place} is {replica.lag} s behind"

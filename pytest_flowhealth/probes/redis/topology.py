"""Which servers an address stands for: itself, the primary that Sentinels name, a cluster's primaries.

The servers are asked over single connections, since the whole must be bounded in time: redis-py's
classes for Sentinels and clusters retry, and give each node a time limit of its own. Replies: https://redis.io/docs/latest/develop/reference/sentinel-clients/
and https://redis.io/docs/latest/commands/cluster-slots/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec

from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes.redis.address import RedisAddress
from pytest_flowhealth.probes.redis.errors import error_code
from pytest_flowhealth.probes.redis.session import ConnectionFactory, RedisConnection, parse_reply

Result = TypeVar("Result")

MOST_NODES = 64
"""Primaries of a cluster that are looked at; of more, none is."""

SLOTS = 16_384
"""What the keys of a cluster are divided into."""

_TRIES = 10_000
"""Names that are tried for one whose slot a node holds: no message is sent for them."""

Ranges = tuple[tuple[int, int], ...]


class Node(msgspec.Struct, frozen=True):
    """A server that takes commands.

    Attributes:
        address: Its own, single one.
        slots: First and last of the slots it holds; `None` where that is not known.
        replicas: How many replicas it has in a cluster.
    """

    address: RedisAddress
    slots: Ranges | None = None
    replicas: int = 0

    def name(self, make: Callable[[], str]) -> str:
        """Return the first name made by `make` that this node holds, or just any.

        Where the prefix holds a ``{tag}``, all names are in one slot: any further is no better.
        """
        if self.slots is None:
            return make()
        from redis.crc import key_slot

        if len({key_slot(make().encode()) for _ in range(3)}) == 1:
            return make()
        names = (make() for _ in range(_TRIES))
        ours = (name for name in names if self._holds(key_slot(name.encode())))
        return next(ours, make())

    def _holds(self, slot: int) -> bool:
        return any(first <= slot <= last for first, last in self.slots or ())


class NodeView(msgspec.Struct, frozen=True):
    """What one Sentinel, or one node of a cluster, says of the whole.

    Attributes:
        place: Its host and port.
        problem: Why it says nothing, or what is wrong by its word; "" for nothing.
        primary: The primary that a Sentinel names.
        facts: What it told, by name.
    """

    place: str
    problem: str = ""
    primary: str = ""
    facts: dict[str, str] = {}


def resolve(address: RedisAddress, timeout: float, clock: Callable[[], float]) -> tuple[Node, ...]:
    """Return the servers that an address stands for, at least one.

    Args:
        address: Of any kind.
        timeout: Seconds for all of the asking together.
        clock: Seconds that only go up.

    Raises:
        CheckFailed: Nobody answers, or nobody knows; or a cluster has no node with slots.
        MeasurementUnavailable: The user may not ask, or there are more nodes than `MOST_NODES`.
    """
    if address.kind == "server":
        return (Node(address),)
    find = _primary if address.kind == "sentinel" else _primaries
    problems = []
    for seed in seeds(address):
        dialer = ConnectionFactory(seed, timeout / len(address.seeds), clock)
        try:
            return dialer.ask(lambda session: find(session, address)).result
        except FlowHealthError as error:
            problems.append(error)
    raise _nobody(address, problems)


def seeds(address: RedisAddress) -> Iterator[RedisAddress]:
    """Yield the addresses of the Sentinels, or of the cluster's nodes that are named."""
    for host, port in address.seeds:
        seed = address.at(host, port, address.origin)
        if address.kind == "sentinel":
            seed = msgspec.structs.replace(
                seed,
                username=address.sentinel_username,
                password=address.sentinel_password,
                database=0,
            )
        yield seed


def view_nodes(
    address: RedisAddress, timeout: float, clock: Callable[[], float]
) -> tuple[NodeView, ...]:
    """Return what each Sentinel, or each named node of a cluster, says of the whole."""
    look = _sentinel_view if address.kind == "sentinel" else _cluster_view
    found = []
    for seed in seeds(address):
        dialer = ConnectionFactory(seed, timeout / len(address.seeds), clock)
        try:
            found.append(dialer.ask(lambda session: look(session, address)).result)
        except MeasurementUnavailable as error:
            found.append(NodeView(seed.place, facts={"not looked at": error.message}))
        except FlowHealthError as error:
            found.append(NodeView(seed.place, problem=error.message))
    return tuple(found)


def _nobody(address: RedisAddress, problems: list[FlowHealthError]) -> FlowHealthError:
    if len(problems) == 1:
        return problems[0]
    who = "Sentinel" if address.kind == "sentinel" else "node of the cluster"
    reasons = "; ".join(error.message for error in problems)
    kind = (
        MeasurementUnavailable
        if all(isinstance(error, MeasurementUnavailable) for error in problems)
        else CheckFailed
    )
    return kind(
        f"no {who} tells where Redis is: {reasons}",
        remedy=problems[0].remedy,
        diagnosis=problems[0].diagnosis,
    )


def _primary(session: RedisConnection, address: RedisAddress) -> tuple[Node, ...]:
    reply = _query(session, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.service)
    place = session.address.place
    if reply is None:
        raise CheckFailed(
            f"the Sentinel at {place} knows no service {address.service!r} ({address.origin})",
            remedy="correct the service's name in redis.url",
            diagnosis=f"redis-cli -p {session.address.port} SENTINEL MASTERS",
        )
    host, port = reply[0].decode(), int(reply[1])
    return (Node(address.at(host, port, f"{address.origin}, by the Sentinel at {place}")),)


def _primaries(session: RedisConnection, address: RedisAddress) -> tuple[Node, ...]:
    reply = _query(session, "CLUSTER", "SLOTS")
    ranges: dict[tuple[str, int], list[tuple[int, int]]] = {}
    replicas: dict[tuple[str, int], int] = {}
    for first, last, primary, *others in reply:
        # No host is told where a node does not know its own: it is where it was asked.
        host = (primary[0] or b"").decode() or session.address.host
        place = (session.address.host if host == "?" else host, int(primary[1]))
        ranges.setdefault(place, []).append((first, last))
        replicas[place] = len(others)
    if not ranges:
        raise CheckFailed(
            f"the cluster of {session.address.place} has given its slots to no node",
            remedy=f"redis-cli --cluster fix {session.address.place}",
        )
    if len(ranges) > MOST_NODES:
        raise MeasurementUnavailable(
            f"the cluster has {len(ranges)} primaries, more than {MOST_NODES}"
        )
    origin = f"{address.origin}, by the cluster's node {session.address.place}"
    return tuple(
        Node(address.at(host, port, origin), tuple(held), replicas[host, port])
        for (host, port), held in sorted(ranges.items())
    )


def _query(session: RedisConnection, *words: str) -> Any:
    """Return the parsed reply of a Sentinel, or of a cluster's node; say so where it is neither."""
    from redis.exceptions import ResponseError

    problem: FlowHealthError
    try:
        return parse_reply(words, session.ask(*words))
    except ResponseError as error:
        code = error_code(error)
        if code == "NOPERM":
            problem = MeasurementUnavailable(session.explain_error(error).message)
        elif code in {"", "ERR"}:
            what = "a Sentinel" if words[0] == "SENTINEL" else "a node of a cluster"
            problem = CheckFailed(
                f"what answers at {session.address.place} is not {what} ({session.address.origin})",
                remedy="the address of a single server begins with redis:// or rediss://",
            )
        else:
            raise
    raise problem


def _sentinel_view(session: RedisConnection, address: RedisAddress) -> NodeView:
    state = _query(session, "SENTINEL", "MASTER", address.service)
    flags = str(state.get("flags"))
    problem = "" if flags == "master" else f"the primary is {flags}"
    names = ("flags", "num-slaves", "num-other-sentinels", "quorum")
    return NodeView(
        place=session.address.place,
        problem=problem or _quorum(session, address),
        primary=f"{state.get('ip')}:{state.get('port')}",
        facts={name: str(state[name]) for name in names if name in state},
    )


def _quorum(session: RedisConnection, address: RedisAddress) -> str:
    """Return why a failover could not be agreed upon, "" where it could."""
    from redis.exceptions import ResponseError

    try:
        session.ask("SENTINEL", "CKQUORUM", address.service)
    except ResponseError as error:
        return "" if error_code(error) == "NOPERM" else str(error)
    return ""


def _cluster_view(session: RedisConnection, _: RedisAddress) -> NodeView:
    info = _query(session, "CLUSTER", "INFO")
    names = ("state", "slots_assigned", "slots_ok", "slots_pfail", "slots_fail", "known_nodes")
    facts = {name: str(info.get(f"cluster_{name}", "")) for name in names}
    problem = "" if facts["state"] == "ok" else f"the cluster's state is {facts['state']}"
    if not problem and facts["slots_ok"] != str(SLOTS):
        problem = f"{facts['slots_ok']} of {SLOTS} slots are served"
    return NodeView(place=session.address.place, problem=problem, facts=facts)

"""The Redis that the application uses: reachable, answering, quick enough, with room to go on.

Its address is the one that the application uses: redis.url of the configuration, the application's
own variables and `.env` file, otherwise the usual local one if a package depends on a Redis client.
The load on the server, and what each figure means: docs/redis.md.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import NamedTuple, TypeVar

import pytest

from pytest_flowhealth import (
    CheckFailed,
    FlowHealthError,
    Health,
    MeasurementUnavailable,
    NotApplicable,
    Target,
    prefetch,
    summarise,
)
from pytest_flowhealth.probes.redis import (
    Latency,
    NodeView,
    RedisProbe,
    ServerState,
    SlowCommand,
    Throughput,
    describe_lag,
    describe_waste,
)

Result = TypeVar("Result")

OLDEST = (6, 2)
"""The oldest version that BullMQ's documentation calls fully compatible (docs.bullmq.io)."""

RECENT = 300.0
"""Seconds for which an entry of the slow log counts."""


class Load(NamedTuple):
    """The load's measurements, or the error of one."""

    connect: tuple[float, ...]
    command: Latency | FlowHealthError
    throughput: Throughput | FlowHealthError


def catch_error(measure: Callable[[], Result]) -> Result | FlowHealthError:
    """Return what is measured, or the error, so that each check has its own."""
    try:
        return measure()
    except FlowHealthError as error:
        return error


def raise_error(result: Result | FlowHealthError) -> Result:
    """Return a result; raise one that is an error."""
    if isinstance(result, FlowHealthError):
        raise result
    return result


@prefetch(quiet=True)
def redis_load(redis_probe: RedisProbe) -> Load:
    """Fresh connections, commands one at a time and pipelines, while nothing else of ours runs."""
    return Load(
        redis_probe.connect_latency(),
        catch_error(redis_probe.command_latency),
        catch_error(redis_probe.throughput),
    )


@prefetch
def redis_state(redis_probe: RedisProbe) -> tuple[ServerState, ...]:
    """What each server says of itself (INFO)."""
    return redis_probe.server_states()


@prefetch
def redis_slow(redis_probe: RedisProbe) -> tuple[SlowCommand, ...]:
    """The slow commands of the last minutes."""
    return redis_probe.slow_commands(RECENT)


@prefetch
def redis_views(redis_probe: RedisProbe) -> tuple[NodeView, ...]:
    """What the Sentinels, or the cluster's nodes, report; () for a single server."""
    return redis_probe.topology_views()


@pytest.mark.health("redis", timeout=240)
@pytest.mark.threshold("connect.p95", warn=10, fail=100, unit="ms")
def test_connect(health: Health, redis_probe: RedisProbe, redis_load: Future[Load]) -> None:
    """A fresh connection, with its TLS, password and database, gets its first answer in time."""
    address = redis_probe.address
    health.detail(address=address.shown, origin=address.origin)
    for text in address.contradictions:
        health.warn(text)
        health.remedy("set redis.url in flowhealth.toml to the address that the application uses")
    health.measure("connect", redis_load.result().connect, unit="ms")
    health.detail(diagnosis=f"{address.cli} --latency: is the server or the network slow?")


@pytest.mark.health("redis", requires="redis.connect", timeout=65)
def test_ping(redis_probe: RedisProbe) -> None:
    """PING is answered with PONG."""
    skip_if_unavailable(redis_probe.ping)


@pytest.mark.health("redis", requires="redis.connect", timeout=65)
def test_roundtrip(health: Health, redis_probe: RedisProbe) -> None:
    """SET, GET and DEL of one key of our own, which expires by itself after 10 s."""
    if not redis_probe.writes:
        health.not_applicable("redis.replica is set: nothing is written to a replica")
    refused = redis_probe.roundtrip().refused
    if "SET" in refused:
        health.not_applicable(f"not checked: {refused['SET']}")
    if refused:
        health.detail(not_checked=refused)


@pytest.mark.health("redis", requires="redis.connect", timeout=240)
@pytest.mark.threshold("command.p95", warn=5, fail=50, unit="ms")
def test_command(health: Health, redis_probe: RedisProbe, redis_load: Future[Load]) -> None:
    """PING, SET, GET and DEL of a key of our own are answered in time, one at a time."""
    latency = raise_error(redis_load.result().command)
    health.measure("command", latency.samples, unit="ms")
    health.detail(diagnosis=f"{redis_probe.address.cli} SLOWLOG GET 10: what keeps it busy")
    stats = {name: summarise(samples) for name, samples in latency.by_command.items() if samples}
    health.detail(
        commands={
            name: {"count": summary.count, "p50_ms": summary.median, "p95_ms": summary.p95}
            for name, summary in stats.items()
        },
        client_ms=summarise(latency.client).median,
        sent_bytes=latency.sent,
        received_bytes=latency.received,
    )
    if latency.refused:
        health.detail(not_checked=latency.refused)


@pytest.mark.health("redis", requires="redis.connect", timeout=240)
@pytest.mark.threshold("throughput", warn=5_000, fail=1_000, unit="1/s")
def test_throughput(health: Health, redis_probe: RedisProbe, redis_load: Future[Load]) -> None:
    """One connection gets enough commands through in pipelines."""
    cli = redis_probe.address.cli
    throughput = raise_error(redis_load.result().throughput)
    health.detail(diagnosis=f"{cli} INFO stats: what else the server does; {cli} --latency")
    health.measure("throughput", throughput.commands / throughput.seconds, unit="1/s")
    health.detail(
        commands=throughput.commands,
        seconds=throughput.seconds,
        mix=throughput.mix,
        client_share=f"{100 * (1 - throughput.waiting / throughput.seconds):.0f} %",
        sent_bytes=throughput.sent,
        received_bytes=throughput.received,
    )
    if throughput.refused:
        health.detail(not_checked=throughput.refused)


@pytest.mark.health("redis", requires="redis.connect", timeout=65)
@pytest.mark.threshold("memory", warn=100, better="lower", unit="MB")
def test_memory(health: Health, redis_state: Future[tuple[ServerState, ...]]) -> None:
    """The data take no more memory than is planned for them, and little of it is wasted."""
    states = redis_state.result()
    largest = max(states, key=lambda state: state.memory.used_memory or 0)
    health.detail(diagnosis=f"{largest.cli} --bigkeys; {largest.cli} MEMORY DOCTOR")
    health.measure("memory", add_up(state.memory.used_memory for state in states) / 1e6, unit="MB")
    health.measure("evicted", add_up(state.evicted for state in states), unit="1")
    health.detail(servers={state.place: state.memory for state in states})
    for state in states:
        for text in describe_waste(state):
            health.warn(text)


@pytest.mark.health("redis", requires="redis.connect", timeout=65)
@pytest.mark.threshold("maxmemory", warn=80, fail=95, unit="%")
def test_maxmemory(health: Health, redis_state: Future[tuple[ServerState, ...]]) -> None:
    """Where Redis can evict nothing at its memory limit, and then refuses writes, there is room left."""
    states = [state for state in skip_if_unavailable(redis_state.result) if not state.can_evict]
    if not states:
        health.not_applicable("no maxmemory is set, or a policy that evicts keys makes room")
    fullest = max(states, key=lambda state: state.memory.share or 0.0)
    health.remedy(
        "delete what is not needed, give keys a time to live, or raise the limit: "
        f"{fullest.cli} CONFIG SET maxmemory {2 * (fullest.memory.maxmemory or 0)}"
    )
    health.measure("maxmemory", fullest.memory.share or 0.0, unit="%")


@pytest.mark.health("redis", requires="redis.connect", timeout=65)
def test_eviction(
    health: Health, redis_probe: RedisProbe, redis_state: Future[tuple[ServerState, ...]]
) -> None:
    """The eviction policy does not remove the jobs of a queue."""
    library = redis_probe.queue_library
    if library is None:
        health.not_applicable("the target uses no queue library (bullmq, bull, bee-queue)")
    states = skip_if_unavailable(redis_state.result)
    health.detail(
        policies={state.place: state.memory.maxmemory_policy for state in states},
        evicted={state.place: state.evicted for state in states},
    )
    for state in states:
        policy = state.memory.maxmemory_policy
        if not state.memory.maxmemory or policy in (None, "noeviction"):
            continue
        health.remedy(
            f"{state.cli} CONFIG SET maxmemory-policy noeviction, and the same in redis.conf; or give "
            "the queue a Redis of its own"
        )
        text = (
            f"the eviction policy of Redis at {state.place} is {policy}; {library} requires noeviction, "
            "as jobs or their locks may be evicted"
        )
        if state.evicted and policy.startswith("allkeys"):
            raise CheckFailed(f"{text}: {state.evicted:,} keys were evicted since its start")
        health.warn(f"{text} ({state.evicted or 0:,} keys were evicted since its start)")


@pytest.mark.health("redis", requires="redis.connect", timeout=65)
@pytest.mark.threshold("clients_share", warn=80, fail=95, unit="%")
def test_clients(health: Health, redis_state: Future[tuple[ServerState, ...]]) -> None:
    """There is room for more connections (maxclients); those that wait or were refused are told."""
    states = redis_state.result()
    health.measure("clients", add_up(state.clients.connected_clients for state in states), unit="1")
    health.measure(
        "blocked_clients", add_up(state.clients.blocked_clients for state in states), unit="1"
    )
    health.measure(
        "rejected_clients", add_up(state.clients.rejected_connections for state in states), unit="1"
    )
    health.detail(servers={state.place: state.clients for state in states})
    if any(not state.clients.maxclients for state in states):
        health.not_applicable("this release does not tell its maxclients")
    shares = [
        100 * (state.clients.connected_clients or 0) / (state.clients.maxclients or 1)
        for state in states
    ]
    health.detail(diagnosis=f"{states[shares.index(max(shares))].cli} CLIENT LIST")
    health.measure("clients_share", max(shares), unit="%")


@pytest.mark.health("redis", requires="redis.connect", timeout=65)
def test_persistence(health: Health, redis_state: Future[tuple[ServerState, ...]]) -> None:
    """What is to be saved to disk is saved."""
    states = skip_if_unavailable(redis_state.result)
    health.detail(servers={state.place: state.persistence for state in states})
    for state in states:
        health.detail(
            diagnosis=f"{state.cli} INFO persistence; its log: disk full, folder not writable"
        )
        if state.persistence.loading:
            raise CheckFailed(f"Redis at {state.place} is still loading its data from disk")
        if state.persistence.rdb_last_bgsave_status == "err":
            raise CheckFailed(f"Redis at {state.place} could not save its last snapshot")
        if state.persistence.aof_last_write_status == "err":
            raise CheckFailed(f"Redis at {state.place} could not write to its append-only file")
        if state.persistence.aof_last_bgrewrite_status == "err":
            health.warn(f"Redis at {state.place} could not rewrite its append-only file")


@pytest.mark.health("redis", requires="redis.connect", timeout=65)
def test_replication(
    health: Health, target: Target, redis_state: Future[tuple[ServerState, ...]]
) -> None:
    """A replica has its primary, and a primary's replicas keep up."""
    states = skip_if_unavailable(redis_state.result)
    health.detail(servers={state.place: state.replication for state in states})
    for state in states:
        health.detail(diagnosis=f"{state.cli} INFO replication")
        for text in describe_lag(state):
            health.warn(text)
        if target.config.redis.replica and state.replication.role == "master":
            health.warn(f"redis.replica is set, and Redis at {state.place} is a primary")
    if not any(state.replication.primary or state.replication.replicas for state in states):
        health.not_applicable("no server has a primary or a replica")


@pytest.mark.health("redis", requires="redis.connect", timeout=65)
def test_topology(
    health: Health,
    redis_probe: RedisProbe,
    redis_state: Future[tuple[ServerState, ...]],
    redis_views: Future[tuple[NodeView, ...]],
) -> None:
    """Sentinels agree on the primary and could replace it; a cluster serves all its slots."""
    if redis_probe.address.kind == "server":
        check_plain_address(health, skip_if_unavailable(redis_state.result))
        return
    sentinel = redis_probe.address.kind == "sentinel"
    views = redis_views.result()
    question = "SENTINEL MASTERS" if sentinel else "CLUSTER INFO"
    health.detail(diagnosis=f"{redis_probe.address.cli} {question}")
    health.detail(seen_by={view.place: view for view in views})
    primaries = {view.primary for view in views if view.primary}
    if len(primaries) > 1:
        raise CheckFailed(f"the Sentinels name different primaries: {', '.join(sorted(primaries))}")
    problems = [f"{view.place}: {view.problem}" for view in views if view.problem]
    if len(problems) == len(views):
        raise CheckFailed("; ".join(problems))
    for text in problems:
        health.warn(text)


def check_plain_address(health: Health, states: tuple[ServerState, ...]) -> None:
    """Fail where a plain address names a Sentinel, warn where it names a node of a cluster; else skip."""
    (state,) = states
    if state.mode == "sentinel":
        health.remedy(
            "write redis+sentinel://HOST:26379/SERVICE, and use the client's Sentinel option"
        )
        raise CheckFailed(
            f"{state.place} is a Sentinel, which holds no data, and not a Redis server"
        )
    if not state.clustered:
        health.not_applicable("redis.url names one server, not Sentinels or a cluster")
    health.remedy(
        f"write redis+cluster://{state.place} if the application uses a cluster client (ioredis: "
        "new Cluster); a plain client reaches only this node's keys"
    )
    health.warn(
        f"Redis at {state.place} is a node of a cluster, addressed as a single server: a plain client "
        "gets MOVED for the keys of other nodes"
    )


@pytest.mark.health("redis", critical=False, requires="redis.connect", timeout=65)
@pytest.mark.threshold("slow_commands", warn=10, better="lower", unit="1")
def test_slowlog(
    health: Health, redis_probe: RedisProbe, redis_slow: Future[tuple[SlowCommand, ...]]
) -> None:
    """Few commands of the last five minutes are in the server's slow log."""
    slow = skip_if_unavailable(redis_slow.result)
    health.detail(diagnosis=f"{redis_probe.address.cli} SLOWLOG GET 10")
    health.measure("slow_commands", len(slow), unit="1")
    health.detail(slowest=sorted(slow, key=lambda entry: -entry.milliseconds)[:10])


@pytest.mark.health(
    "redis",
    critical=False,
    requires="redis.connect",
    timeout=65,
    remedy="upgrade Redis to a supported release: redis.io/downloads",
)
def test_version(health: Health, redis_state: Future[tuple[ServerState, ...]]) -> None:
    """Warns below 6.2, the oldest release that BullMQ documents as fully compatible."""
    states = skip_if_unavailable(redis_state.result)
    server = min(states, key=lambda state: state.release)
    health.detail(
        version=server.version,
        product=server.product,
        mode=server.mode,
        role=server.replication.role,
    )
    if server.release < OLDEST:
        health.warn(f"{server.product} is older than 6.2, and no longer supported")


def skip_if_unavailable(ask: Callable[[], Result]) -> Result:
    """Return an answer; skip the check if the server does not offer the command."""
    try:
        return ask()
    except MeasurementUnavailable as error:
        raise NotApplicable(error.message, remedy=error.remedy) from None


def add_up(values: Iterable[int | None]) -> int:
    """Return the sum over all servers, where each tells its part."""
    parts = list(values)
    if any(part is None for part in parts):
        raise MeasurementUnavailable("the answer to INFO does not tell it")
    return sum(part for part in parts if part is not None)

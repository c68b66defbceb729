"""The load on a real Redis: how much it is, what it measures, and what becomes of it when it breaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_flowhealth.errors import ProbeError, Unmeasured
from pytest_flowhealth.probes.redis import load as redis_load
from pytest_flowhealth.probes.redis.load import Budget
from pytest_flowhealth.probes.redis.probe import RedisProbe
from pytest_flowhealth.verdict.statistics import compute
from tests.kit import redis as servers
from tests.kit.redis import RedisServer, Way, proxy, tcp_server

pytestmark = pytest.mark.skipif(servers.REDIS_SERVER is None, reason="needs redis-server")

LONG = Budget(count=10**9, seconds=60.0, least=1, longest=60.0)
"""A load that goes on until something ends it."""

LOADS = ("command_latency", "throughput")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


def calls(server: RedisServer) -> dict[str, int]:
    """Return how often each command was sent, by the server's own count."""
    stats = server.command("INFO", "commandstats")
    return {
        name.removeprefix("cmdstat_"): one["calls"]
        for name, one in stats.items()
        if name.startswith("cmdstat_")
    }


@pytest.mark.parametrize(
    ("count", "seconds", "spent"),
    [
        (0, 0.0, False),
        (19, 1.5, False),
        (20, 0.9, False),
        (20, 1.0, True),
        (50, 0.1, True),
        (3, 10.0, True),
    ],
)
def test_a_budget(count: int, seconds: float, spent: bool) -> None:
    assert redis_load.CONNECT.spent(count, seconds) is spent


def test_a_share_of_a_budget_is_never_nothing() -> None:
    share = Budget(count=50, seconds=1.0, least=20, longest=10.0).share(64)
    assert (share.count, share.least) == (1, 1)
    assert not share.spent(0, 0.0)


def test_commands_as_many_as_documented(server: RedisServer) -> None:
    server.command("CONFIG", "RESETSTAT")
    taken = RedisProbe(server.url).command_latency()
    assert len(taken.samples) == len(taken.client) == redis_load.COMMAND.count
    assert {name: len(samples) for name, samples in taken.by_command.items()} == dict.fromkeys(
        ("PING", "SET", "GET", "DEL"), redis_load.COMMAND.count // 4
    )
    assert min(taken.samples) > 0
    assert min(taken.client) > 0
    assert taken.refused == {}
    sent = calls(server)
    # Each is tried once before, and the key is deleted in the end.
    assert {name: sent[name] for name in ("ping", "set", "get", "del")} == {
        **dict.fromkeys(("ping", "set", "get"), 501),
        "del": 502,
    }
    assert 100_000 < taken.sent < 150_000
    assert 20_000 < taken.received < 30_000
    assert server.keys() == []


def test_pipelines_as_many_as_documented(server: RedisServer) -> None:
    server.command("CONFIG", "RESETSTAT")
    budget = Budget(count=20_000, seconds=60.0, least=20_000, longest=60.0)
    done = RedisProbe(server.url).throughput(budget)
    sent = calls(server)
    assert done.commands == 20_100
    assert (sent["set"], sent["get"]) == (2_010 + 1, 18_090 + 1)
    assert 0 < done.waiting < done.seconds
    assert done.mix == ("SET", "GET")
    assert done.before is not None
    assert done.after is not None
    assert done.sent < 2_000_000
    assert server.keys() == []


def test_connections_as_many_as_documented(server: RedisServer) -> None:
    server.command("CONFIG", "RESETSTAT")
    budget = Budget(count=50, seconds=60.0, least=50, longest=60.0)
    assert len(RedisProbe(server.url).connect(budget)) == 50
    assert calls(server)["ping"] == 50
    assert server.command("INFO", "stats")["total_connections_received"] <= 52  # the test's own two


def test_a_far_server_ends_the_load_early_with_enough_samples(server: RedisServer) -> None:
    with proxy(server.port, Way(delay=0.02)) as port:
        probe = RedisProbe(f"redis://127.0.0.1:{port}/0")
        begin = time.monotonic()
        taken = probe.command_latency()
        samples = probe.connect()
        probe.throughput()
        # 1 s each for two, 0.25 s for the third, and room for a busy machine.
        assert time.monotonic() - begin < 8
    assert 20 <= len(taken.samples) < 100
    assert compute("p95", taken.samples) >= 20
    assert 20 <= len(samples) < 100
    assert min(samples) >= 20


def test_a_server_too_far_gives_what_it_can(server: RedisServer) -> None:
    budget = Budget(count=100, seconds=0.1, least=20, longest=0.5)
    with proxy(server.port, Way(delay=0.1)) as port:
        probe = RedisProbe(f"redis://127.0.0.1:{port}/0")
        assert 1 <= len(probe.connect(budget)) < 20
        assert 1 <= len(probe.command_latency(budget).samples) < 20


def test_a_pause_is_in_the_samples(server: RedisServer) -> None:
    with proxy(server.port, Way(stalls=100, for_=0.3)) as port:
        taken = RedisProbe(f"redis://127.0.0.1:{port}/0").command_latency()
    assert max(taken.samples) >= 300


def test_a_server_that_stalls_in_the_midst(server: RedisServer) -> None:
    with proxy(server.port, Way(stalls=100)) as port:
        probe = RedisProbe(f"redis://127.0.0.1:{port}/0", timeout=0.5)
        with pytest.raises(ProbeError, match=r"no answer within 0\.5 s after 9\d answers"):
            probe.command_latency()


@pytest.mark.parametrize("load", LOADS)
def test_half_an_answer_in_the_midst(server: RedisServer, load: str) -> None:
    with proxy(server.port, Way(cut=50)) as port:
        probe = RedisProbe(f"redis://127.0.0.1:{port}/0", timeout=2)
        with pytest.raises(ProbeError, match=r"closed the connection after [\d,]+ answers"):
            getattr(probe, load)(LONG)


@pytest.mark.parametrize("load", LOADS)
def test_killed_in_the_midst(tmp_path: Path, load: str) -> None:
    with RedisServer(tmp_path / "r") as server:
        killer = threading.Timer(0.3, server.stop)
        killer.start()
        with pytest.raises(ProbeError, match=r"closed the connection after [\d,]+ answers"):
            getattr(RedisProbe(server.url), load)(LONG)
        killer.join()


@pytest.mark.parametrize("load", LOADS)
def test_stopped_in_the_midst(tmp_path: Path, load: str) -> None:
    with RedisServer(tmp_path / "r") as server:
        stopper = threading.Timer(0.3, server.suspend)
        stopper.start()
        with pytest.raises(ProbeError, match=r"no answer within 0\.5 s after [\d,]+ answers"):
            getattr(RedisProbe(server.url, timeout=0.5), load)(LONG)
        stopper.join()
        server.resume()


@pytest.mark.parametrize("load", LOADS)
def test_a_server_that_turns_into_something_else(load: str) -> None:
    def talk(connection: object, over: threading.Event) -> None:
        one, answers = connection, [b"+PONG\r\n", b"+OK\r\n", b"$-1\r\n", b":0\r\n"]
        while not over.is_set() and one.recv(1 << 20):  # type: ignore[attr-defined]
            one.sendall(answers.pop(0) if answers else b"?!\r\n")  # type: ignore[attr-defined]

    with (
        tcp_server(talk) as port,
        pytest.raises(ProbeError, match=r"is no Redis|not what"),
    ):
        getattr(RedisProbe(f"redis://127.0.0.1:{port}/0"), load)()


def limited(server: RedisServer, *rights: str) -> RedisProbe:
    """Return a probe of a user with these rights."""
    server.command("ACL", "SETUSER", "app", "reset", "on", ">pw", *rights)
    return RedisProbe(server.url_of(user="app", password="pw"))


def test_what_is_not_allowed_is_named(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "r") as server:
        probe = limited(server, "+ping", "+get", "~*")
        taken, done = probe.command_latency(), probe.throughput()
        assert set(taken.by_command) == {"PING", "GET"}
        assert set(taken.refused) == set(done.refused) == {"SET", "DEL"}
        assert "'app' send SET" in taken.refused["SET"]
        assert done.mix == ("GET",)
        assert done.before is None
        probe = limited(server, "+ping")
        assert set(probe.command_latency().by_command) == {"PING"}
        assert probe.throughput().mix == ("PING",)
        probe = limited(server)
        for load in LOADS:
            with pytest.raises(Unmeasured, match="no command is taken from us"):
                getattr(probe, load)()


@pytest.mark.parametrize("writes", [True, False])
def test_a_replica_gets_no_writes(server: RedisServer, tmp_path: Path, writes: bool) -> None:
    arguments = ("--replicaof", "127.0.0.1", str(server.port))
    with RedisServer(tmp_path / "r", *arguments) as replica:
        replica.until_said(b"master_link_status:up", "INFO replication")
        replica.command("CONFIG", "RESETSTAT")
        probe = RedisProbe(replica.url, writes=writes)
        taken = probe.command_latency()
        assert set(taken.by_command) == {"PING", "GET"}
        assert ("read-only replica" in taken.refused["SET"]) is writes
        assert probe.throughput().mix == ("GET",)
        if not writes:
            assert "set" not in calls(replica)


def test_a_full_server_still_reads(tmp_path: Path) -> None:
    arguments = ("--maxmemory", "3mb", "--maxmemory-policy", "noeviction")
    with RedisServer(tmp_path / "r", *arguments) as server:
        server.fill()
        probe = RedisProbe(server.url)
        assert "is full" in probe.command_latency().refused["SET"]
        assert probe.throughput().mix == ("GET",)
        share = probe.state()[0].memory.share
        assert share is not None
        assert share > 95


def test_a_server_that_evicts_our_key(tmp_path: Path) -> None:
    arguments = ("--maxmemory", "3mb", "--maxmemory-policy", "allkeys-random")
    with RedisServer(tmp_path / "r", *arguments) as server:
        probe = RedisProbe(server.url)
        stop = threading.Event()

        def others() -> None:
            import redis

            client = redis.Redis(port=server.port)
            while not stop.is_set():
                pipeline = client.pipeline(transaction=False)
                for number in range(1_000):
                    pipeline.set(f"{time.monotonic()}-{number}", "x" * 2_000)
                pipeline.execute()
            client.close()

        other = threading.Thread(target=others)
        other.start()
        try:
            while not probe.state()[0].clients.evicted_keys:
                time.sleep(0.05)
            for load in LOADS:
                getattr(probe, load)()
        finally:
            stop.set()
            other.join()
        assert probe.state()[0].memory.share is None


def test_tls_and_a_unix_socket(tmp_path: Path) -> None:
    cert, key = servers.certificate(tmp_path / "ours")
    port = servers.free_port()
    arguments = (*servers.tls_arguments(cert, key, port), "--unixsocket", "s.sock")
    with RedisServer(tmp_path / "r", *arguments, password="pw") as server:
        for url in (
            f"rediss://:pw@127.0.0.1:{port}/2?ssl_ca_certs={cert}",
            f"unix://:pw@{server.folder}/s.sock?db=2",
        ):
            probe = RedisProbe(url)
            assert len(probe.connect()) >= 20
            assert len(probe.command_latency().samples) >= 20
            assert probe.throughput().commands >= 1_000


@pytest.mark.parametrize("load", LOADS)
def test_down(load: str) -> None:
    with pytest.raises(ProbeError, match="no Redis listens"):
        getattr(RedisProbe(f"redis://127.0.0.1:{servers.free_port()}/0"), load)()


@pytest.mark.parametrize(
    "talk", [servers.silent, servers.dripping, servers.saying(b"+PO")], ids=["no", "slow", "half"]
)
@pytest.mark.parametrize("load", LOADS)
def test_no_whole_answer(talk: Callable[..., None], load: str) -> None:
    budget = Budget(count=1, seconds=0.1, least=1, longest=0.1)
    with tcp_server(talk) as port:
        probe = RedisProbe(f"redis://127.0.0.1:{port}/0", timeout=0.3)
        with pytest.raises(ProbeError, match=r"no answer within 0\.3 s"):
            getattr(probe, load)(budget)

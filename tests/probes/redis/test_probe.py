"""Redis as it is found: real servers, whole and with every fault, and servers that are no Redis."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes.redis import key as redis_key
from pytest_flowhealth.probes.redis.address import parse
from pytest_flowhealth.probes.redis.probe import RedisProbe, State
from pytest_flowhealth.probes.redis.session import Session
from tests.kit import redis as servers
from tests.kit.redis import RedisServer, free_port, tcp_server

pytestmark = pytest.mark.skipif(servers.REDIS_SERVER is None, reason="needs redis-server")

QUESTIONS = ("connect", "ping", "roundtrip", "state", "command_latency", "throughput")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


def failure(
    ask: Callable[[], object], kind: type[FlowHealthError] = CheckFailed
) -> FlowHealthError:
    """Return the error of a question; it has no chain and its text no secret."""
    with pytest.raises(kind) as caught:
        ask()
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "s3cret" not in "".join(traceback.format_exception(error)) + str(error.remedy)
    return error


def state_of(probe: RedisProbe) -> State:
    (state,) = probe.state()
    return state


def test_a_whole_server(shared: RedisServer) -> None:
    probe = RedisProbe(shared.url)
    samples = probe.connect()
    assert 20 <= len(samples) <= 50
    assert all(sample > 0 for sample in samples)
    probe.ping()
    probe.roundtrip()
    assert shared.keys() == []
    found = state_of(probe)
    assert (found.mode, found.replication.role) == ("standalone", "master")
    assert found.version[0].isdigit()
    assert found.memory.used


def test_keys_of_others_are_left_alone(shared: RedisServer) -> None:
    shared.command("SET", "flowhealth:theirs", "1")
    RedisProbe(shared.url).roundtrip()
    assert shared.keys() == [b"flowhealth:theirs"]
    shared.command("DEL", "flowhealth:theirs")


def test_only_these_commands_are_sent(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "r", password="pw") as server:
        server.command("CONFIG", "RESETSTAT")
        probe = RedisProbe(server.url_of(password="pw", db=3))
        for question in QUESTIONS:
            getattr(probe, question)()
        stats = server.command("INFO", "commandstats")
    sent = {name.removeprefix("cmdstat_") for name in stats if name.startswith("cmdstat_")}
    sent -= {"config|resetstat", "config", "client|setinfo"}  # the test's own
    assert sent == {"auth", "select", "ping", "set", "get", "del", "info"}


@pytest.mark.parametrize("question", ["roundtrip", "command_latency", "throughput"])
def test_nothing_of_ours_outlives_its_time_even_when_cut_off(
    shared: RedisServer, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    asked = redis_key.Key.ask

    def ask(key: redis_key.Key, session: Session, command: str) -> object:
        return 1 / 0 if command == "GET" else asked(key, session, command)

    monkeypatch.setattr(redis_key.Key, "ask", ask)
    with pytest.raises(CheckFailed):
        getattr(RedisProbe(shared.url, prefix="ours:"), question)()
    (key,) = shared.keys()
    assert key.startswith(b"ours:check:")
    assert 0 < shared.command("PTTL", key) <= redis_key.TTL_MS
    shared.command("DEL", key)


def test_a_stopped_server(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "r") as server:
        server.suspend()
        probe = RedisProbe(server.url, timeout=0.3)
        for question in QUESTIONS:
            error = failure(getattr(probe, question))
            assert "no answer within 0.3 s" in error.message
            assert "kill -CONT" in str(error.remedy)
        server.resume()
        probe.ping()


def test_a_server_that_is_down(tmp_path: Path) -> None:
    port = free_port()
    error = failure(RedisProbe(f"redis://127.0.0.1:{port}/0").connect)
    assert f"no Redis listens at 127.0.0.1:{port}" in error.message
    assert error.remedy == f"redis-server --port {port} --daemonize yes"
    error = failure(RedisProbe(f"unix://{tmp_path}/none.sock").connect)
    assert "--unixsocket" in str(error.remedy)


def test_a_unix_socket(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "r", "--unixsocket", "s.sock") as server:
        probe = RedisProbe(f"unix://{server.folder}/s.sock?db=2")
        probe.connect()
        probe.roundtrip()


def test_a_host_that_does_not_exist() -> None:
    error = failure(RedisProbe("redis://no-such-host.invalid:6379/0").connect)
    assert "'no-such-host.invalid'" in error.message


def test_a_password(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "r", password="p@ss:w/rd#s3cret%") as server:
        RedisProbe(server.url_of(password="p%40ss%3Aw%2Frd%23s3cret%25")).roundtrip()
        assert "asks for a password" in failure(RedisProbe(server.url_of()).connect).message
        wrong = RedisProbe(server.url_of(password="s3cret"))
        assert "refused the password of the default user" in failure(wrong.connect).message


def test_a_password_where_none_is_set(shared: RedisServer) -> None:
    error = failure(RedisProbe(shared.url_of(password="s3cret")).connect)
    assert "has no password" in error.message


def test_the_setting_that_gave_the_address_is_named(shared: RedisServer) -> None:
    address = parse(shared.url_of(password="s3cret"), "redis.url from environment")
    assert "redis.url from environment" in failure(RedisProbe(address).connect).message


def test_a_user_without_rights(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "r") as server:
        server.command("ACL", "SETUSER", "app", "on", ">s3cret", "+ping")
        probe = RedisProbe(server.url_of(user="app", password="s3cret"))
        probe.connect()
        probe.ping()
        assert list(probe.roundtrip().refused) == ["SET"]
        assert "user 'app' send SET" in probe.roundtrip().refused["SET"]
        for ask in (probe.state, lambda: probe.slow_log(60)):
            assert "user 'app' send" in failure(ask, MeasurementUnavailable).message
        assert "ACL SETUSER app +info" in str(failure(probe.state, MeasurementUnavailable).remedy)
        # What the remedy says must be what it takes.
        server.command("ACL", "SETUSER", "app", "+info")
        assert probe.state()[0].memory.used
        server.command("ACL", "SETUSER", "app", "+set", "+get", "~flowhealth:*")
        assert list(probe.roundtrip().refused) == ["DEL"]
        server.command("ACL", "SETUSER", "app", "+del")
        assert probe.roundtrip().refused == {}
        server.command("ACL", "SETUSER", "app", "-ping")
        probe.connect()  # it is connected, though not allowed to say PING
        assert "send PING" in failure(probe.ping, MeasurementUnavailable).message
        server.command("ACL", "SETUSER", "app", "off")
        assert "refused the password of user 'app'" in failure(probe.connect).message


def test_a_full_server(tmp_path: Path) -> None:
    arguments = ("--maxmemory", "1mb", "--maxmemory-policy", "noeviction")
    with RedisServer(tmp_path / "r", *arguments) as server:
        server.fill()
        probe = RedisProbe(server.url)
        probe.connect()
        probe.ping()
        assert "is full" in failure(probe.roundtrip).message


def test_a_server_that_can_not_save(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    arguments = ("--save", "3600 1", "--dir", str(gone))
    with RedisServer(tmp_path / "r", *arguments) as server:
        server.command("SET", "a", 1)
        gone.rmdir()
        server.command("BGSAVE")
        while server.command("INFO", "persistence")["rdb_last_bgsave_status"] == "ok":
            time.sleep(0.02)
        probe = RedisProbe(server.url)
        probe.connect()
        assert "can't save its data" in failure(probe.ping).message
        assert "refuses SET" in failure(probe.roundtrip).message


def test_a_read_only_replica(shared: RedisServer, tmp_path: Path) -> None:
    arguments = ("--replicaof", "127.0.0.1", str(shared.port))
    with RedisServer(tmp_path / "r", *arguments) as server:
        probe = RedisProbe(server.url)
        probe.ping()
        assert "read-only replica" in failure(probe.roundtrip).message
        assert state_of(probe).replication.role == "slave"


def test_a_replica_that_lost_its_primary(tmp_path: Path) -> None:
    arguments = ("--replicaof", "127.0.0.1", str(free_port()), "--replica-serve-stale-data", "no")
    with RedisServer(tmp_path / "r", *arguments) as server:
        probe = RedisProbe(server.url)
        probe.connect()
        assert "lost its primary" in failure(probe.ping).message


def test_a_server_that_takes_no_more_clients(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "r", "--maxclients", "1") as server:
        with socket.create_connection(("127.0.0.1", server.port)) as taken:
            taken.sendall(b"PING\r\n")
            taken.recv(10)
            error = failure(RedisProbe(server.url).connect)
        assert "maxclients is reached" in error.message


def test_a_server_that_is_loading(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    with RedisServer(folder, "--dbfilename", "d.rdb") as server:
        for number in range(300):
            server.command("SET", number, "x" * 3_000)
        server.command("SAVE")
    slow = ("--key-load-delay", "100000", "--loading-process-events-interval-bytes", "1024")
    with RedisServer(folder, "--dbfilename", "d.rdb", *slow, wait=False) as server:
        assert "still loading" in failure(RedisProbe(server.url).connect).message


def test_a_database_that_is_not_there(shared: RedisServer) -> None:
    assert "no database 99" in failure(RedisProbe(shared.url_of(db=99)).connect).message


def test_a_cluster_where_this_node_holds_half_the_keys(tmp_path: Path) -> None:
    buses = free_port(), free_port()
    with (
        RedisServer(tmp_path / "a", *servers.clustered(buses[0])) as one,
        RedisServer(tmp_path / "b", *servers.clustered(buses[1])) as two,
    ):
        one.command("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
        two.command("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
        one.command("CLUSTER", "MEET", "127.0.0.1", two.port, buses[1])
        while not all(word in one.raw("CLUSTER INFO") for word in (b"slots_ok:16384", b"state:ok")):
            time.sleep(0.05)
        probe = RedisProbe(one.url)
        for _ in range(8):
            probe.roundtrip()
        assert state_of(probe).mode == "cluster"
        assert one.keys() == []


@pytest.mark.parametrize("password", ["", ":s3cret@"])
@pytest.mark.parametrize(
    "talk",
    [
        pytest.param(servers.saying(servers.HTTP_400), id="http"),
        pytest.param(servers.saying(b"ERROR\r\n"), id="memcached"),
        pytest.param(servers.saying(b"+OK POP3 ready\r\n"), id="pop3"),
        pytest.param(servers.saying(b"$x\r\n"), id="no-length"),
        pytest.param(servers.saying(b"*1\r\n" * 100_000), id="deep"),
        pytest.param(servers.saying(b"\xff\xfe\x00\r\n"), id="binary"),
        pytest.param(servers.saying(b":" + b"9" * 10_000 + b"\r\n"), id="long-number"),
        pytest.param(servers.echoing, id="echo"),
    ],
)
def test_what_is_no_redis(
    talk: Callable[[socket.socket, threading.Event], None], password: str
) -> None:
    with tcp_server(talk) as port:
        error = failure(RedisProbe(f"redis://{password}127.0.0.1:{port}/0").connect)
    assert "is no Redis" in error.message
    assert len(error.message) < 400


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
@pytest.mark.parametrize("talk", [servers.silent, servers.dripping])
def test_the_time_is_bounded_as_a_whole(
    talk: Callable[[socket.socket, threading.Event], None], scheme: str
) -> None:
    before = set(threading.enumerate())
    with tcp_server(talk) as port:
        probe = RedisProbe(f"{scheme}://:s3cret@127.0.0.1:{port}/0", timeout=0.5)
        begin = time.monotonic()
        failure(probe.connect)
        # Ten times the limit leaves room for a busy machine, and none for 50 ms a byte.
        assert time.monotonic() - begin < 5
        for thread in set(threading.enumerate()) - before:
            if thread.name == "flowhealth probe":
                thread.join(10)
                assert not thread.is_alive()


def test_a_server_that_closes_the_connection() -> None:
    with tcp_server(servers.closing) as port:
        error = failure(RedisProbe(f"redis://127.0.0.1:{port}/0").connect)
    assert "closed the connection" in error.message


def test_an_error_reply_that_holds_the_password() -> None:
    with tcp_server(servers.saying(b"-ERR unknown command 'AUTH' with s3cret\r\n")) as port:
        error = failure(RedisProbe(f"redis://:s3cret@127.0.0.1:{port}/0").connect)
    assert "***" in error.message


def test_tls(tmp_path: Path) -> None:
    cert, key = servers.certificate(tmp_path / "ours")
    port = free_port()
    with RedisServer(tmp_path / "r", *servers.tls_arguments(cert, key, port)) as server:
        url = f"rediss://127.0.0.1:{port}/0"
        RedisProbe(f"{url}?ssl_ca_certs={cert}").roundtrip()
        RedisProbe(f"{url}?ssl_cert_reqs=none").roundtrip()
        error = failure(RedisProbe(url).connect)
        assert "certificate" in error.message
        assert "ssl_ca_certs" in str(error.remedy)
        plain = failure(RedisProbe(f"redis://127.0.0.1:{port}/0", timeout=2).connect)
        assert "rediss://" in str(plain.remedy)
        for options in (
            "ssl_ca_certs=/not/there.pem",
            "ssl_cert_reqs=maybe",
            f"ssl_ca_certs={key}",
        ):
            assert "ssl_ options" in failure(RedisProbe(f"{url}?{options}").connect).message
        late = failure(RedisProbe(server.url_of(scheme="rediss"), timeout=0.3).connect)
        assert "does not speak TLS" in late.message


def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    cert, key = servers.certificate(tmp_path / "theirs", "redis.example")
    port = free_port()
    with RedisServer(tmp_path / "r", *servers.tls_arguments(cert, key, port)):
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={cert}"
        assert "certificate" in failure(RedisProbe(url).connect).message
        RedisProbe(f"{url}&ssl_check_hostname=false").ping()


def test_a_tls_server_that_speaks_http() -> None:
    with tcp_server(servers.saying(servers.HTTP_400)) as port:
        error = failure(RedisProbe(f"rediss://127.0.0.1:{port}/0").connect)
    assert "no TLS connection" in error.message


def test_the_probe_shows_no_password() -> None:
    assert "s3cret" not in repr(RedisProbe("redis://:s3cret@127.0.0.1:1/0"))

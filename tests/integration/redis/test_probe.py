"""The probe on a real Redis, whole and with every fault, and on servers that are no Redis."""

import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes.redis import key as redis_key
from pytest_flowhealth.probes.redis.address import parse_address
from pytest_flowhealth.probes.redis.probe import RedisProbe
from pytest_flowhealth.probes.redis.session import RedisConnection
from tests.kit import redis as servers
from tests.kit.redis import RedisServer, Talk, closed_port, free_port, tcp_server
from tests.kit.waiting import wait_for

LITTLE = 40
"""A load that shows that there is an answer."""

QUESTIONS: dict[str, Callable[[RedisProbe], object]] = {
    "connect": lambda probe: probe.connect_latency(LITTLE),
    "ping": RedisProbe.ping,
    "roundtrip": RedisProbe.roundtrip,
    "state": RedisProbe.server_states,
    "command_latency": lambda probe: probe.command_latency(LITTLE),
    "throughput": lambda probe: probe.throughput(LITTLE),
    "slow_log": lambda probe: probe.slow_commands(60),
}


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


def refuses_ping(probe: RedisProbe) -> bool:
    """Tell whether this release answers PING with its fault: before 7 it does not."""
    return int(probe.server_states()[0].version.partition(".")[0]) >= 7


def test_a_whole_server_tells_what_it_is_and_which_commands_were_slow(
    breakable_redis: RedisServer,
) -> None:
    breakable_redis.configure(slowlog_log_slower_than=0)
    breakable_redis.command("SET", "s3cret", "1")
    probe = RedisProbe(breakable_redis.url)
    assert 20 <= len(probe.connect_latency()) <= 50
    assert probe.roundtrip().refused == {}
    (found,) = probe.server_states()
    assert (found.mode, found.place) == ("standalone", f"127.0.0.1:{breakable_redis.port}")
    assert (found.memory.maxmemory_policy, found.persistence.rdb_last_bgsave_status) == (
        "noeviction",
        "ok",
    )
    assert all((found.version, found.memory.used_memory, found.clients.maxclients))
    assert (found.replication.role, found.replication.primary) == ("master", "")
    slow = probe.slow_commands(60)
    assert "SET" in {entry.command for entry in slow}
    assert all(0 <= entry.age <= 60 for entry in slow)
    assert "s3cret" not in repr(slow)
    assert breakable_redis.keys() == [b"s3cret"]


@pytest.mark.parametrize("question", ["roundtrip", "command_latency", "throughput"])
def test_a_key_of_ours_expires_even_when_we_are_cut_off(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    asked = redis_key.OwnKey.ask

    def ask(key: redis_key.OwnKey, session: RedisConnection, command: str) -> object:
        return 1 / 0 if command == "GET" else asked(key, session, command)

    monkeypatch.setattr(redis_key.OwnKey, "ask", ask)
    with pytest.raises(CheckFailed):
        QUESTIONS[question](RedisProbe(redis.url, prefix="ours:"))
    (key,) = redis.keys()
    assert key.startswith(b"ours:check:")
    assert 0 < redis.command("PTTL", key) <= redis_key.TTL_MS


def test_a_stopped_server_fails_each_question_in_time(breakable_redis: RedisServer) -> None:
    breakable_redis.suspend()
    probe = RedisProbe(breakable_redis.url, timeout=0.2)
    for ask in QUESTIONS.values():
        error = failure(lambda ask=ask: ask(probe))  # type: ignore[misc]
        assert "no answer within 0.2 s" in error.message
        assert "kill -CONT" in str(error.remedy)


@pytest.mark.parametrize("question", QUESTIONS)
def test_where_nobody_listens_the_start_is_the_remedy(question: str) -> None:
    port = closed_port()
    probe = RedisProbe(f"redis://127.0.0.1:{port}/0")
    error = failure(lambda: QUESTIONS[question](probe))
    assert f"no Redis listens at 127.0.0.1:{port}" in error.message
    assert error.remedy == f"redis-server --port {port} --daemonize yes"


def test_a_password_is_checked(breakable_redis: RedisServer) -> None:
    unasked = failure(RedisProbe(breakable_redis.url_of(password="s3cret")).connect_latency)
    assert "has no password" in unasked.message
    breakable_redis.configure(requirepass="p@ss:w/rd#s3cret%")
    right = breakable_redis.url_of(password="p%40ss%3Aw%2Frd%23s3cret%25")
    RedisProbe(right).roundtrip()
    assert (
        "asks for a password"
        in failure(RedisProbe(breakable_redis.url_of()).connect_latency).message
    )
    wrong = parse_address(breakable_redis.url_of(password="s3cret"), "redis.url from environment")
    message = failure(RedisProbe(wrong).connect_latency).message
    assert "refused the password of the default user that redis.url from environment" in message


def test_the_remedy_for_a_user_without_rights_is_what_it_takes(
    breakable_redis: RedisServer,
) -> None:
    def allow(*rights: str) -> None:
        breakable_redis.command("ACL", "SETUSER", "app", *rights)

    probe = RedisProbe(breakable_redis.add_user("app", "+ping"))
    probe.connect_latency()
    probe.ping()
    assert "user 'app' send SET" in probe.roundtrip().refused["SET"]
    assert (
        "user 'app' send"
        in failure(lambda: probe.slow_commands(60), MeasurementUnavailable).message
    )
    assert "ACL SETUSER app +info" in str(
        failure(probe.server_states, MeasurementUnavailable).remedy
    )
    allow("+info", "+set", "+get", "~flowhealth:*")
    assert probe.server_states()[0].memory.used_memory
    assert list(probe.roundtrip().refused) == ["DEL"]
    allow("+del", "-ping")
    assert probe.roundtrip().refused == {}
    probe.connect_latency()  # it is connected, though not allowed to say PING
    assert "send PING" in failure(probe.ping, MeasurementUnavailable).message
    allow("off")
    assert "refused the password of user 'app'" in failure(probe.connect_latency).message


def test_a_full_server_refuses_the_round_trip_alone(breakable_redis: RedisServer) -> None:
    breakable_redis.configure(maxmemory=1)
    probe = RedisProbe(breakable_redis.url)
    probe.connect_latency(LITTLE)
    probe.ping()
    assert "is full" in failure(probe.roundtrip).message
    assert "is full" in probe.command_latency(LITTLE).refused["SET"]
    assert probe.throughput(LITTLE).mix == ("GET",)
    assert (probe.server_states()[0].memory.share or 0) > 95


def test_a_server_that_can_not_save_refuses_ping_and_writes(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with RedisServer(tmp_path / "r", "--dir", str(gone)) as server:
        server.configure(save="3600 1")
        server.command("SET", "a", 1)
        gone.rmdir()
        server.command("BGSAVE")
        probe = RedisProbe(server.url)
        wait_for(lambda: probe.server_states()[0].persistence.rdb_last_bgsave_status == "err")
        probe.connect_latency(LITTLE)
        assert "refuses SET: it can't save its data" in failure(probe.roundtrip).message
        if refuses_ping(probe):
            assert "can't save its data" in failure(probe.ping).message


def test_a_replica_takes_no_writes_and_tells_of_its_primary_even_when_that_is_lost(
    redis: RedisServer, breakable_redis: RedisServer
) -> None:
    breakable_redis.follow(redis)
    probe = RedisProbe(breakable_redis.url)
    probe.ping()
    assert "read-only replica" in failure(probe.roundtrip).message
    assert "read-only replica" in probe.command_latency(LITTLE).refused["SET"]
    theirs = probe.server_states()[0].replication
    assert (theirs.primary, theirs.master_link_status) == (f"127.0.0.1:{redis.port}", "up")
    primary = RedisProbe(redis.url)
    wait_for(
        lambda: [one.state for one in primary.server_states()[0].replication.replicas] == ["online"]
    )
    (ours,) = primary.server_states()[0].replication.replicas
    assert ours.place == f"127.0.0.1:{breakable_redis.port}"

    breakable_redis.command("CONFIG", "RESETSTAT")
    taken = RedisProbe(breakable_redis.url, writes=False).command_latency(LITTLE)
    assert set(taken.by_command) == {"PING", "GET"}
    assert "set" not in breakable_redis.calls()

    breakable_redis.configure(replica_serve_stale_data="no")
    breakable_redis.command("REPLICAOF", "127.0.0.1", closed_port())
    probe.connect_latency(LITTLE)
    assert probe.server_states()[0].replication.master_link_status == "down"
    if refuses_ping(probe):
        assert "lost its primary" in failure(probe.ping).message


def test_more_clients_or_databases_than_there_are_is_told(breakable_redis: RedisServer) -> None:
    other = RedisProbe(breakable_redis.url_of(db=99))
    assert "no database 99" in failure(other.connect_latency).message
    breakable_redis.configure(maxclients=1)
    error = failure(RedisProbe(breakable_redis.url).connect_latency)
    assert "maxclients is reached" in error.message


def test_a_server_that_is_loading_is_told(tmp_path: Path) -> None:
    file = ("--dbfilename", "d.rdb")
    with RedisServer(tmp_path, *file) as server:
        server.command("EVAL", "for i=1,300 do redis.call('SET',i,string.rep('x',3000)) end", 0)
        server.command("SAVE")
    slow = ("--key-load-delay", "100000", "--loading-process-events-interval-bytes", "1024")
    with RedisServer(tmp_path, *file, *slow, wait=False) as server:
        assert "still loading" in failure(RedisProbe(server.url).connect_latency).message


NO_REDIS = "is no Redis"


@pytest.mark.parametrize(
    ("talk", "says"),
    [
        pytest.param(servers.saying(servers.HTTP_400), NO_REDIS, id="http"),
        pytest.param(servers.saying(b"+OK POP3 ready\r\n"), NO_REDIS, id="pop3"),
        pytest.param(servers.saying(b"$x\r\n"), NO_REDIS, id="no length"),
        pytest.param(servers.saying(b"*1\r\n" * 100_000), NO_REDIS, id="deep"),
        pytest.param(servers.saying(b":" + b"9" * 10_000 + b"\r\n"), NO_REDIS, id="long number"),
        pytest.param(servers.echoing, NO_REDIS, id="echo"),
        pytest.param(lambda link, _: link.recv(4096), "closed the connection", id="closes"),
        pytest.param(
            servers.saying(b"-ERR unknown command 'AUTH' with s3cret\r\n"),
            "***",
            id="repeats the password",
        ),
    ],
)
def test_what_is_no_redis_is_told_without_the_password(talk: Talk, says: str) -> None:
    with tcp_server(talk) as port:
        error = failure(RedisProbe(f"redis://:s3cret@127.0.0.1:{port}/0").connect_latency)
    assert says in error.message
    assert len(error.message) < 400


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
@pytest.mark.parametrize("talk", [servers.silent, servers.dripping])
def test_an_answer_that_never_ends_is_not_waited_for(talk: Talk, scheme: str) -> None:
    before = set(threading.enumerate())
    with tcp_server(talk) as port:
        failure(RedisProbe(f"{scheme}://:s3cret@127.0.0.1:{port}/0", timeout=0.3).connect_latency)
        for thread in set(threading.enumerate()) - before:
            if thread.name == "flowhealth probe":
                thread.join(10)
                assert not thread.is_alive()


def test_tls_and_a_unix_socket_work_as_a_plain_port_and_a_certificate_must_be_trusted(
    tmp_path: Path,
) -> None:
    cert, key = servers.certificate(tmp_path / "ca")
    port = free_port()
    arguments = (*servers.tls_arguments(cert, key, port), "--unixsocket", "s.sock")
    with RedisServer(tmp_path / "r", *arguments, password="pw") as server:
        tls = f"rediss://:pw@127.0.0.1:{port}"
        for url in (f"{tls}/2?ssl_ca_certs={cert}", f"unix://:pw@{server.folder}/s.sock?db=2"):
            for ask in QUESTIONS.values():
                ask(RedisProbe(url))
        error = failure(RedisProbe(f"{tls}/0").connect_latency)
        assert "certificate" in error.message
        assert "ssl_ca_certs" in str(error.remedy)
        RedisProbe(f"{tls}/0?ssl_cert_reqs=none").roundtrip()
        other = f"rediss://:pw@localhost:{port}/0?ssl_ca_certs={cert}"
        assert "certificate" in failure(RedisProbe(other).connect_latency).message
        RedisProbe(f"{other}&ssl_check_hostname=false").ping()
        plain = failure(RedisProbe(f"redis://127.0.0.1:{port}/0").connect_latency)
        assert "rediss://" in str(plain.remedy)


def test_a_server_without_tls_names_the_other_scheme(redis: RedisServer) -> None:
    late = failure(RedisProbe(redis.url_of(scheme="rediss"), timeout=0.3).connect_latency)
    assert "has no TLS" in late.message
    with tcp_server(servers.saying(servers.HTTP_400)) as port:
        error = failure(RedisProbe(f"rediss://:s3cret@127.0.0.1:{port}/0").connect_latency)
    assert "has no TLS" in error.message

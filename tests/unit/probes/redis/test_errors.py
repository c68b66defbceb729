"""What each error of redis-py, and of the socket below it, means for the user."""

import errno
import os
import socket
import ssl
import traceback
from typing import Any

import pytest
from redis import exceptions

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.redis.address import parse_address
from pytest_flowhealth.probes.redis.errors import (
    NotRedis,
    explain,
    is_connected_nonetheless,
    is_refused,
)

TCP = "redis://app:s3cret@127.0.0.1:6380/5"
FAR = "redis://redis.example/0"
TLS = "rediss://127.0.0.1:6380/0"
OWN = f"{TLS}?ssl_certfile=/c"
CERTIFICATE = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
UNVERIFIED = ssl.SSLCertVerificationError
SOCKET = "unix:///run/my%20redis.sock"

Reply = exceptions.ResponseError
Login = exceptions.AuthenticationError
Network = exceptions.ConnectionError
START = "redis-server --port 6380 --daemonize yes"
START_SOCKET = "redis-server --unixsocket '/run/my redis.sock' --daemonize yes"
ALLOW = "ACL SETUSER app +set +get +del '~flowhealth:*'"
LOG_IN = "export FLOWHEALTH_REDIS_URL=redis://:PASSWORD@redis.example:6379/0"


def of_tls(kind: type[ssl.SSLError], text: str, code: int = 20) -> ssl.SSLError:
    """Return an error as OpenSSL makes it."""
    error: Any = kind(1, text)
    error.reason = error.verify_message = text
    error.verify_code = code
    return error  # type: ignore[no-any-return]


def of_system(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("error", "url", "message", "advice"),
    [
        (
            None,
            TCP,
            "no answer within 2 s",
            "redis-cli -h 127.0.0.1 -p 6380 --user app --askpass ping",
        ),
        (None, TLS, "no answer within 2 s", "--tls ping"),
        (None, FAR, "or a firewall drops the packets", "redis-cli -h redis.example -p 6379 ping"),
        (TimeoutError(), TCP, "no answer within 2 s", "kill -CONT"),
        (exceptions.TimeoutError("x"), TCP, "no answer within 2 s", "kill -CONT"),
        (of_system(errno.ECONNREFUSED), TCP, "no Redis listens at 127.0.0.1:6380", START),
        (of_system(errno.ECONNREFUSED), FAR, "no Redis listens", "start Redis on redis.example"),
        (of_system(errno.ENOENT), SOCKET, "no Redis listens at /run/my redis.sock", START_SOCKET),
        (of_system(errno.EACCES), SOCKET, "may not open the socket", "unixsocketperm"),
        (of_system(errno.ENETUNREACH), FAR, "Network is unreachable", "correct the address"),
        (of_system(errno.ECONNRESET), TCP, "closed the connection without an answer", "redis.url"),
        (socket.gaierror(socket.EAI_NONAME, "x"), FAR, "there is no such host", "correct the host"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), FAR, "name server gave no answer", "resolution"),
        (Network("Connection closed by server."), TCP, "closed the connection", "redis.url"),
        (of_tls(UNVERIFIED, "unknown issuer"), TLS, "authority is unknown here", "redis.ca"),
        (of_tls(UNVERIFIED, "mismatch", 62), TLS, "for another name", "ssl_check_hostname=false"),
        (of_tls(UNVERIFIED, "has expired", 10), TLS, "has expired", "renew"),
        (of_tls(ssl.SSLError, "WRONG_VERSION_NUMBER"), TLS, "has no TLS", "write redis://"),
        (of_tls(ssl.SSLError, "RECORD_LAYER_FAILURE"), TLS, "has no TLS", "write redis://"),
        (of_tls(ssl.SSLError, CERTIFICATE), TLS, "requires a client certificate", "ssl_certfile="),
        (of_tls(ssl.SSLError, CERTIFICATE), OWN, "rejects the client certificate", "ssl_certfile="),
        (of_tls(ssl.SSLError, "NO_PROTOCOLS"), TLS, "no protocols", "openssl s_client"),
        (Login("WRONGPASS invalid"), TCP, "refused the password of user 'app'", "redis.url"),
        (Login("Authentication required."), FAR, "asks for a password", LOG_IN),
        (
            Login("called without any password configured"),
            TCP,
            "has no password",
            "take the password out",
        ),
        (exceptions.AuthenticationWrongNumberOfArgsError("x"), FAR, "the default user", "password"),
        (exceptions.NoPermissionError("x"), TCP, "does not let user 'app' send SET", ALLOW),
        (exceptions.ReadOnlyError("x"), TCP, "read-only replica", "redis.replica = true"),
        (exceptions.OutOfMemoryError("x"), TCP, "is full", "CONFIG SET maxmemory"),
        (Reply("MISCONF Redis is configured to save"), TCP, "can't save its data", "its log"),
        (exceptions.BusyLoadingError("x"), TCP, "still loading", "INFO persistence"),
        (Network("max number of clients reached"), TCP, "maxclients is reached", "CLIENT LIST"),
        (Reply("DB index is out of range"), TCP, "no database 5", "CONFIG GET databases"),
        (Reply("DENIED Redis is in protected mode"), FAR, "protected mode", "requirepass"),
        (exceptions.MasterDownError("x"), TCP, "lost its primary", "INFO replication"),
        (Reply("NOREPLICAS Not enough good"), TCP, "too few replicas", "INFO replication"),
        (exceptions.ClusterDownError("x"), TCP, "a cluster that is down", "CLUSTER INFO"),
        (exceptions.MovedError("5 10.0.0.1:7000"), TCP, "none of its keys", "CLUSTER NODES"),
        (Reply("ERR something new s3cret"), TCP, "refused SET: ERR something new ***", None),
        (exceptions.InvalidResponse("Protocol Error: b'HTTP'"), TCP, "it said 'HTTP'", "address"),
        (NotRedis("it answered PING with 5"), TCP, "no Redis", "address"),
        (RecursionError(), TCP, "is no Redis (here): its answer is not in Redis's", "address"),
    ],
)
def test_each_error_has_a_message_and_a_remedy_or_a_place_to_look_at(
    error: Exception | None, url: str, message: str, advice: str | None
) -> None:
    key = "flowhealth:check:1"
    meant = explain(error, parse_address(url, "here"), 2.0, "SET", key=key)

    assert message in meant.message
    given = " ".join(filter(None, (meant.remedy, meant.diagnosis)))
    assert advice in given if advice else not given
    shown = "".join(traceback.format_exception(meant)) + given
    assert "s3cret" not in shown
    assert (meant.__cause__, meant.__context__) == (None, None)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (of_system(errno.ECONNRESET), "closed the connection after 1,234 answers"),
        (ssl.SSLEOFError(), "closed the connection after 1,234 answers"),
        (None, "no answer within 0.5 s after 1,234 answers"),
        (of_tls(ssl.SSLError, "BAD_RECORD"), "no TLS connection"),
    ],
)
def test_a_connection_that_breaks_off_is_told_with_its_answers(
    error: Exception | None, message: str
) -> None:
    assert message in explain(error, parse_address(TCP), 0.5, "SET", answered=1_234).message


def test_the_cause_below_an_error_of_the_library_counts_and_an_error_of_ours_stays() -> None:
    error = Network("Error 111 connecting")
    error.__cause__ = of_system(errno.ECONNREFUSED)
    assert "no Redis listens" in explain(error, parse_address(TCP), 1.0).message
    ours = MeasurementUnavailable("x")
    assert explain(ours, parse_address(TCP), 1.0) is ours


def test_a_long_or_unprintable_answer_is_shown_in_part() -> None:
    message = explain(NotRedis("\x1b[31m" + "x" * 10_000), parse_address(TCP), 1.0).message

    assert len(message) < 400
    assert message.isprintable()


@pytest.mark.parametrize(
    ("error", "connected"),
    [
        (exceptions.NoPermissionError("x"), True),
        (Reply("MISCONF x"), True),
        (exceptions.MasterDownError("x"), True),
        (Reply("ERR x"), False),
        (exceptions.BusyLoadingError("x"), False),
    ],
)
def test_a_redis_that_only_refuses_ping_is_connected(error: Exception, connected: bool) -> None:
    assert is_connected_nonetheless(error) is connected


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (exceptions.NoPermissionError("x"), True),
        (Reply("ERR unknown command 'SLOWLOG', with args"), True),
        (Reply("unknown command `CLIENT`"), True),
        (Reply("ERR Command is not available: 'SLOWLOG'"), True),
        (Reply("ERR unsupported command"), True),
        (Reply("ERR This command is disabled"), True),
        (Reply("ERR value is not an integer"), False),
        (exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'"), False),
        (exceptions.ReadOnlyError("You can't write against a read only replica."), False),
    ],
)
def test_a_command_that_is_not_offered_is_told_from_one_that_failed(
    error: Exception, refused: bool
) -> None:
    assert is_refused(error) is refused

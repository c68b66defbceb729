"""Servers that do not offer every command: each is not checked by itself, and the rest works."""

from pathlib import Path

import pytest

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.redis import RedisProbe
from tests.kit.redis import RedisServer, closing_proxy
from tests.kit.runs import run_components


def renamed(*commands: str) -> list[str]:
    return [word for command in commands for word in ("--rename-command", command, "")]


def test_commands_that_a_managed_service_has_renamed_fail_nothing(tmp_path: Path) -> None:
    arguments = renamed("INFO", "SLOWLOG", "TIME")
    with RedisServer(tmp_path / "r", *arguments) as server:
        probe = RedisProbe(server.url)
        probe.ping()
        assert probe.roundtrip().refused == {}
        assert len(probe.command_latency(40)) == 40
        for ask in (probe.server_states, lambda: probe.slow_commands(60)):
            with pytest.raises(MeasurementUnavailable, match=r"not checked.*unknown command"):
                ask()
        run = run_components(tmp_path, "redis", env={"REDIS_URL": server.url})
    assert "fail" not in run.outcomes.values()
    for name in ("connect", "ping", "roundtrip", "command", "throughput"):
        assert run.outcomes[f"redis.{name}"] == "pass"
    assert run.outcomes["redis.slowlog"] == "skip"
    assert "not checked" in run.check("redis.slowlog")["message"]
    assert run.outcomes["redis.memory"] == "unknown"


@pytest.mark.parametrize("command", ["PING", "INFO", "SLOWLOG", "TIME", "DEL", "SET", "GET"])
def test_a_proxy_that_closes_the_connection_at_a_command_leaves_the_rest(
    redis: RedisServer, tmp_path: Path, command: str
) -> None:
    with closing_proxy(redis.port, command) as port:
        run = run_components(tmp_path, "redis", env={"REDIS_URL": f"redis://127.0.0.1:{port}/0"})
    assert "fail" not in run.outcomes.values(), run.text
    for name in ("connect", "command", "throughput"):
        assert run.outcomes[f"redis.{name}"] == "pass", run.text
    expected = {"PING": "ping", "SLOWLOG": "slowlog", "SET": "roundtrip"}
    if command in expected:
        assert run.outcomes[f"redis.{expected[command]}"] == "skip"
    if command in ("SET", "GET", "DEL"):
        assert command in run.check("redis.command")["details"]["not_checked"]


def test_a_server_that_is_gone_is_no_command_that_is_not_offered(
    breakable_redis: RedisServer,
) -> None:
    with closing_proxy(breakable_redis.port, "INFO") as port:
        probe = RedisProbe(f"redis://127.0.0.1:{port}/0")
        with pytest.raises(MeasurementUnavailable, match="although it takes other commands"):
            probe.server_states()
        breakable_redis.stop()
        with pytest.raises(Exception, match="closed the connection") as caught:
            probe.server_states()
    assert not isinstance(caught.value, MeasurementUnavailable)

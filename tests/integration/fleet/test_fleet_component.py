"""The component `fleet` by the whole command: one run for each kind of outcome."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.redis import closed_port
from tests.kit.runs import PASSWORD, Run, run_components

pytestmark = pytest.mark.usefixtures("nothing_left")

Check = Callable[..., Run]

REST = (
    *("fleet.completion", "fleet.utilisation", "fleet.agents", "fleet.queue"),
    *("fleet.stuck", "fleet.silent", "fleet.swarms", "fleet.score"),
)
"""The checks that require fleet.source."""


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Return a function that runs the fleet's checks with a configuration and a Redis."""

    def run(configuration: str, *components: str, url: str = "redis://127.0.0.1:1/0") -> Run:
        (tmp_path / "flowhealth.toml").write_text(configuration)
        limits = ("--health-threshold=fleet.utilisation=1000:2000",)
        env = {"FLOWHEALTH_REDIS_URL": url}
        return run_components(tmp_path, "fleet", *components, args=limits, env=env)

    return run


def test_without_a_fleet_every_check_is_skipped_with_one_reason(check: Check) -> None:
    run = check("")
    assert set(run.outcomes.values()) == {"skip"}
    assert "no fleet is configured" in run.check("fleet.source")["message"]
    assert set(run.blocked.values()) == {"fleet.source"}
    assert "no fleet is configured" in run.check("fleet.spawn")["message"]
    assert run.health["status"] == "unknown"


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('source = "redis-swarm"', "no Redis listens at 127.0.0.1"),
        ('source = "http"\nurl = "http://127.0.0.1:{}/x"', "can't be reached: Connection refused"),
        ('source = "command"\ncommand = ["sh", "-c", "echo down; exit 3"]', "exit code 3"),
    ],
    ids=["redis", "web", "command"],
)
def test_a_source_that_fails_is_the_root_cause(toml: str, says: str, check: Check) -> None:
    port = closed_port()
    run = check(f"[fleet]\n{toml.format(port)}", url=f"redis://:{PASSWORD}@127.0.0.1:{port}/0")
    run.assert_fault("fleet.source", 2, says, blocked=REST)


def test_a_redis_that_is_down_is_the_root_cause_of_its_source_too(check: Check) -> None:
    url = f"redis://127.0.0.1:{closed_port()}/0"
    run = check('[fleet]\nsource = "bullmq"\n', "redis", url=url)
    assert run.reasons[0].startswith("redis.connect: ")
    assert run.blocked["fleet.source"] == "redis.connect"
    assert len(run.reasons) == 1


def test_starts_that_fail_are_ended_counted_and_told(check: Check) -> None:
    command = ["sh", "-c", "yes no model | head -n 20000; exit 7"]
    run = check(f"[fleet.spawn]\ncommand = {json.dumps(command)}\ncount = 3\n")
    says = "3 of 3 starts failed: it ended with exit code 7 before it was ready"
    run.assert_fault("fleet.spawn", 2, says, ": no model")
    assert len(json.dumps(run.check("fleet.spawn"))) < 10_000

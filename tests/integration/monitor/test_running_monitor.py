"""Faults that a monitor survives: one monitor runs for all tests of a worker that only observe it."""

import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.kit.monitor import CALM_REDIS, OWN_ONLY, Monitor, own_project
from tests.kit.redis import RedisServer
from tests.kit.runs import Run, run_flowhealth
from tests.kit.webhook import ACCEPTED

FIRING, RESOLVED = ("firing", "own.switch"), ("resolved", "own.switch")
SETTINGS = f"""
{CALM_REDIS}
[monitor.intervals]
redis = "1 h"
[alerts]
cooldown = "1 s"
flap_changes = 99
[github]
repository = "acme/shop"
"""


@pytest.fixture(scope="module")
def redis_of_monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Start a Redis that tests may kill, unlike the one that they share."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, redis_of_monitor: RedisServer
) -> Iterator[Monitor]:
    folder = tmp_path_factory.mktemp("monitor") / "own"
    url = redis_of_monitor.url
    with own_project(
        folder, SETTINGS, FLOWHEALTH_REDIS_URL=url, FLOWHEALTH_GITHUB_TOKEN="no token"
    ) as monitor:
        monitor.start(*OWN_ONLY, "--health-component", "redis")
        monitor.rounds(1)
        yield monitor
        assert monitor.end(signal.SIGINT) == 0


@pytest.fixture
def own(running: Monitor) -> Monitor:
    """Return the monitor, which reports nothing but what happens from now on."""
    running.mode("ok")
    running.hook.respond = [ACCEPTED]
    running.forget()
    return running


def command(monitor: Monitor, *words: str) -> Run:
    return run_flowhealth(monitor.project, *words, "--history", f"sqlite:///{monitor.history}")


def test_failing_check_fires_with_its_message_and_resolves_despite_silence_and_acknowledgement(
    own: Monitor,
) -> None:
    silenced = command(own, "alerts", "silence", "own.quiet", "1h")
    assert "silenced until" in silenced.out
    own.rounds(2)  # the end of the first one reads the silence

    own.mode("broken, also quiet")
    own.until_told(FIRING)
    assert "the switch is at broken" in own.alert("own.switch")["annotations"]["summary"]
    assert "acknowledged: own.switch" in command(own, "alerts", "ack", "own.switch").out
    assert "is not firing" in command(own, "alerts", "ack", "own.other").err
    own.rounds(2)
    assert "acknowledged" in command(own, "alerts", "rules").out

    own.mode("ok")
    own.until(lambda: len(own.told()) >= 2)
    own.rounds(1)
    assert own.told() == [FIRING, RESOLVED]


def test_killed_round_is_unknown_and_alerts_until_a_round_ends(own: Monitor) -> None:
    own.mode("hang")
    detached = psutil.Process(own.hung_child())
    own.child().kill()
    detached.kill()
    own.mode("ok")
    own.until(lambda: len(own.told()) >= 2)

    assert own.told() == [("firing", "monitor.round"), ("resolved", "monitor.round")]
    assert "signal 9" in own.alert("monitor.round")["annotations"]["summary"]
    assert "unknown" in {round_["status"] for round_ in own.events("round")}


def test_bad_configuration_is_reported_and_the_old_one_stays_in_force(own: Monitor) -> None:
    toml = own.project / "flowhealth.toml"
    good = toml.read_text()
    toml.write_text(good + "\nnonsense = [")
    own.send(signal.SIGHUP)
    own.until(lambda: own.events("problem"))
    own.rounds(2)
    assert "stays as it was" in own.events("problem")[0]["text"]
    assert own.events("round")[-1]["status"] == "healthy"

    rule = '\n[[rules]]\nname = "mine"\nmetric = "own.figure"\nabove = 0.5\n'
    toml.write_text(good + rule)
    own.send(signal.SIGHUP)
    own.until_told(("firing", "mine"))

    toml.write_text(good)
    own.send(signal.SIGHUP)
    own.until_told(("firing", "mine"), ("resolved", "mine"))


def test_redis_that_goes_and_comes_back_is_noticed_between_its_rounds(
    own: Monitor, redis_of_monitor: RedisServer
) -> None:
    """Its interval is an hour; all that the failed connection blocks is named in its one alert."""
    redis_of_monitor.stop()
    own.until_told(("firing", "redis.connect"))
    redis_of_monitor.start()
    own.until_told(("firing", "redis.connect"), ("resolved", "redis.connect"))

    alert = own.alert("redis.connect")
    assert {"redis.ping", "redis.command", "redis.memory"} <= set(
        alert["annotations"]["blocked"].split(", ")
    )
    assert "redis-server" in alert["annotations"]["remedy"]


def test_issues_are_synchronised_also_without_a_page_and_a_problem_is_reported(
    running: Monitor,
) -> None:
    running.until(lambda: '"event": "issues not synchronised"' in running.text)


def test_second_monitor_on_the_same_history_is_refused(own: Monitor) -> None:
    assert own.process is not None
    second = command(own, "monitor", "--interval", "1s")

    assert second.exit_code == 4
    assert f"another monitor (process {own.process.pid})" in second.err


def test_rounds_leave_no_process_and_no_open_file_behind(own: Monitor) -> None:
    assert own.process is not None
    parent = psutil.Process(own.process.pid)
    own.until(lambda: not own.children())
    before = parent.num_fds()
    own.rounds(3)

    # The history is open while something is written to it.
    own.until(lambda: not own.children() and parent.num_fds() <= before + 1)

"""The monitor's commands from the command line: rules, test messages, silences; and mistakes."""

from pathlib import Path

import pytest

from tests.kit.runs import run_flowhealth
from tests.kit.webhook import WebhookServer


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "package.json").write_text('{"name": "shop", "version": "1.0.0"}')
    return tmp_path


def test_rules_are_listed_without_a_history_and_nothing_is_written(shop: Path) -> None:
    done = run_flowhealth(shop, "alerts", "rules")

    assert done.exit_code == 0
    rows = {line.split()[0]: line for line in done.out.splitlines() if line}
    assert "system.cpu.mean above 85" in rows["highCPU"]
    assert rows["highCPU"].endswith("inactive")
    assert rows["lowDownloads"].endswith("off")
    assert "no history to test" in done.out
    assert not (shop / ".flowhealth").exists()


@pytest.mark.parametrize("words", [("alerts", "rules"), ("monitor", "--interval", "1s")])
def test_mistake_in_the_configuration_is_a_usage_error(shop: Path, words: tuple[str, ...]) -> None:
    (shop / "flowhealth.toml").write_text('[[rules]]\nname = "a"\n')

    done = run_flowhealth(shop, *words)

    assert done.exit_code == 4
    assert "rules: a: 'metric' is missing" in done.err


def test_test_message_is_sent_to_each_receiver_and_a_failure_is_unhealthy(shop: Path) -> None:
    with WebhookServer() as hook:
        (shop / "flowhealth.toml").write_text(
            f"""
            receivers = [
                {{name = "ops", type = "webhook", url = "{hook.url}"}},
                {{name = "dead", type = "webhook", url = "http://127.0.0.1:1/"}},
            ]
            """
        )
        done = run_flowhealth(shop, "alerts", "test")

    assert done.exit_code == 2
    ops, dead = done.out.splitlines()
    assert ops.startswith("ops (webhook): delivered in ")
    assert dead == "dead (webhook): failed: connection refused"
    short, long = hook.requests
    assert short.json["alerts"][0]["labels"]["alertname"] == "FlowHealthTest"
    assert len(long.body) > 4_000
    assert {one.json["commonLabels"]["severity"] for one in (short, long)} == {"info"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("", "2h"), "MATCH must be"),
        (("redis.*", "soon"), "expected a duration"),
        (("redis.*", "1h"), "no monitor has run there"),
    ],
)
def test_silence_needs_a_pattern_a_duration_and_a_monitor(
    shop: Path, words: tuple[str, ...], says: str
) -> None:
    done = run_flowhealth(shop, "alerts", "silence", *words)

    assert done.exit_code == 4
    assert says in done.err

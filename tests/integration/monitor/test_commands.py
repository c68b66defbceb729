"""The monitor's commands from the command line: rules, test messages, silences; and their mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kit.webhook import receiving

RECEIVER = '[[receivers]]\nname = "ops"\ntype = "webhook"\nurl = "{url}"\n'


@pytest.fixture
def shop(pytester: pytest.Pytester) -> Path:
    (pytester.path / "package.json").write_text('{"name": "shop", "version": "1.0.0"}')
    return pytester.path


def toml(shop: Path, text: str) -> None:
    (shop / "flowhealth.toml").write_text(text)


def test_rules_are_listed_without_a_history(shop: Path, pytester: pytest.Pytester) -> None:
    done = pytester.runpytest_subprocess("--health-rules")

    assert done.ret == 0
    done.stdout.fnmatch_lines(
        ["*highCPU*system.cpu.mean above 85*inactive*", "*no history to try*"]
    )
    assert not (shop / ".flowhealth").exists()


def test_rules_that_are_off_are_said_to_be(shop: Path, pytester: pytest.Pytester) -> None:
    done = pytester.runpytest_subprocess("--health-rules")

    done.stdout.fnmatch_lines(["*lowDownloads*off*"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[rules]]\nname = "a"\n', "rules: a: 'metric' is missing"),
        ('[[rules]]\nname = "a"\nmetric = "x"\n', "must be such as 'redis.connect.p95'"),
        ('[[rules]]\nname = "a"\nmetric = "a.b"\nabove = 1\nbelow = 2\n', "can't both be given"),
        ('[[rules]]\nname = "a"\nmetric = "a.b"\nabove = 1\nfor = "soon"\n', "a duration such as"),
        ('[[rules]]\nname = "a"\nnonsense = 1\n', "nonsense"),
        ('[[receivers]]\nname = "a"\ntype = "pigeon"\n', "pigeon"),
        ('[[receivers]]\nname = "a"\ntype = "webhook"\n', "needs 'url' or 'url_env'"),
        ('[monitor]\nintervals = { redis = "often" }\n', "redis: expected a duration"),
        ('[[silences]]\nmatch = "a"\nuntil = 2026-01-01T00:00:00\n', "time"),
    ],
)
@pytest.mark.parametrize("option", ["--health-rules", "--health-monitor=1s"])
def test_mistakes_are_usage_errors(
    shop: Path, pytester: pytest.Pytester, text: str, says: str, option: str
) -> None:
    toml(shop, text)

    done = pytester.runpytest_subprocess(option)

    assert done.ret == 4
    assert says in done.stderr.str()
    assert "Traceback" not in done.stderr.str()


def test_a_test_message_for_each_receiver(shop: Path, pytester: pytest.Pytester) -> None:
    with receiving() as hook:
        dead = '[[receivers]]\nname = "dead"\ntype = "webhook"\nurl = "http://127.0.0.1:1/"\n'
        toml(shop, RECEIVER.format(url=hook.url) + dead)
        done = pytester.runpytest_subprocess("--health-notify-test")

    assert done.ret == 2
    done.stdout.fnmatch_lines(
        ["ops (webhook): delivered in * ms", "dead (webhook): failed: connection refused"]
    )
    ((_, _, content),) = hook.requests
    assert json.loads(content)["kind"] == "test"


@pytest.mark.parametrize("text", ["redis.*", "=2h", "redis.*=soon"])
def test_a_silence_that_can_not_be_meant(shop: Path, pytester: pytest.Pytester, text: str) -> None:
    done = pytester.runpytest_subprocess("--health-silence", text)

    assert done.ret == 4
    assert "--health-silence" in done.stderr.str()


def test_a_silence_without_a_monitor(shop: Path, pytester: pytest.Pytester) -> None:
    done = pytester.runpytest_subprocess("--health-silence", "redis.*=1h")

    assert done.ret == 4
    assert "no monitor has begun there" in done.stderr.str()


@pytest.mark.parametrize(
    "marker", ['after="soon"', 'severity="bad"', 'on="pass"', "cooldown=-1", "nonsense=1"]
)
def test_a_marker_that_can_not_be_meant(pytester: pytest.Pytester, marker: str) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.health("own")
        @pytest.mark.alert({marker})
        def test_it():
            pass
        """
    )

    done = pytester.runpytest_subprocess("--health", pytester.path)

    assert done.ret == 4
    assert "@pytest.mark.alert" in done.stderr.str()


def test_a_further_output(shop: Path, pytester: pytest.Pytester) -> None:
    place = shop / "health.prom"
    done = pytester.runpytest_subprocess(
        "--health-component=system", f"--health-output=openmetrics:{place}"
    )

    assert done.ret in (0, 1)  # a machine under load is degraded
    assert place.read_text().endswith("# EOF\n")
    assert place.stat().st_mode & 0o777 == 0o644


def test_a_further_output_alone_on_standard_output(shop: Path, pytester: pytest.Pytester) -> None:
    done = pytester.runpytest_subprocess("--health-component=system", "--health-output=openmetrics")

    lines = done.stdout.lines
    assert lines[0] == "# TYPE flowhealth_status gauge"
    assert lines[-1] == "# EOF"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--health-output=nosuch"], "there is no format 'nosuch'"),
        (["--health-output=openmetrics:"], "names no file"),
        (
            ["--health-output=openmetrics", "--health-report=-"],
            "only one can go to standard output",
        ),
    ],
)
def test_outputs_that_can_not_be_meant(
    shop: Path, pytester: pytest.Pytester, words: list[str], says: str
) -> None:
    done = pytester.runpytest_subprocess("--health", *words)

    assert done.ret == 4
    assert says in done.stderr.str()


def test_an_output_that_can_not_be_written_is_no_healthy_run(
    shop: Path, pytester: pytest.Pytester
) -> None:
    (shop / "file").write_text("")
    done = pytester.runpytest_subprocess(
        "--health-component=system", f"--health-output=openmetrics:{shop}/file/x"
    )

    assert done.ret == 3
    report = json.loads((shop / ".flowhealth" / "report.json").read_text())
    assert report["health"]["status"] == "unknown"

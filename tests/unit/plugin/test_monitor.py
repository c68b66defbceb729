"""What `--health-monitor` hands on to its rounds."""

import pytest

from pytest_flowhealth.plugin.monitor import without


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--health", "--health-monitor=10s", "-k", "redis"], ["-k", "redis"]),
        (["--health-monitor", "10s", "checks/"], ["checks/"]),
        (["--health-monitor", "--health", "-q"], ["-q"]),
        (["--health-monitor"], []),
        (["--health-component", "redis", "--health-history", "x", "--lf"], ["--lf"]),
        (["--health-threshold", "a.b=1:2"], ["--health-threshold", "a.b=1:2"]),
    ],
)
def test_round_gets_the_arguments_without_those_of_the_monitor(
    words: list[str], kept: list[str]
) -> None:
    assert without(words) == kept

"""Which of pytest's options the monitor decides on itself, and which it gives to its rounds."""

import pytest

from pytest_flowhealth.cli.monitor import split_options
from pytest_flowhealth.errors import UsageError


@pytest.mark.parametrize(
    ("words", "others"),
    [
        (["--health", "-k", "redis"], ["-k", "redis"]),
        (["checks/", "-q"], ["checks/", "-q"]),
        (["--health-component", "redis", "--health-history", "x", "--lf"], ["--lf"]),
        (["--health-threshold", "a.b=1:2"], ["--health-threshold", "a.b=1:2"]),
    ],
)
def test_a_round_gets_the_options_that_are_not_the_monitors(
    words: list[str], others: list[str]
) -> None:
    assert split_options(words)[1] == others


def test_components_and_places_are_the_monitors() -> None:
    words = ["--health-component=redis", "--health-component", "npm", "--health-report", "r.json"]

    options, others = split_options(words)

    assert (options.health_component, options.health_report) == (["redis", "npm"], "r.json")
    assert others == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--health-output", "nagios"], "--health-output belongs to one run"),
        (["--health-submit", "-"], "--health-submit belongs to one run"),
        (["--health-report"], "expected one argument"),
    ],
)
def test_an_option_of_a_single_run_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        split_options(words)

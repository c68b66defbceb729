"""Outputs that cannot go where they are asked to."""

from argparse import Namespace
from pathlib import Path

import pytest

from pytest_flowhealth.plugin.reporting.outputs import read_outputs


@pytest.mark.parametrize(
    ("outputs", "report", "says"),
    [
        (["nosuch"], None, "there is no format 'nosuch'"),
        (["openmetrics:"], None, "names no file"),
        (["openmetrics"], "-", "only one can go to standard output"),
    ],
)
def test_output_without_a_place_of_its_own_is_a_usage_error(
    tmp_path: Path, outputs: list[str], report: str | None, says: str
) -> None:
    options = Namespace(health_output=outputs, health_report=report, health_submit=None)

    with pytest.raises(pytest.UsageError, match=says):
        read_outputs(options, tmp_path)

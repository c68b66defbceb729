"""Commands where nothing was recorded: unknown, with the way to record something, never an all-clear."""

from pathlib import Path

import pytest

from tests.kit.runs import run_flowhealth


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("alerts",), "no alerts are known: no monitor has run here"),
        (("history",), "record runs: pytest --health --health-history"),
        (("history", "suggest"), "record runs: pytest --health --health-history"),
        (("history", "export", "redis.connect"), "no samples of redis.connect in "),
        (("export", "grafana"), "fix: pytest --health"),
        (("export", "prometheus-rules"), "nothing was measured yet"),
    ],
)
def test_a_command_without_data_is_unknown(
    tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    run = run_flowhealth(tmp_path, *words)

    assert (run.exit_code, says in run.err, run.out) == (3, True, ""), run.text

"""Mistakes in markers, ids and requirements are all named at once, with their place; exit code 4."""

import pytest

from tests.kit.runs import RunChecks

MISTAKES = """
@pytest.mark.health("app", timout=5)
def test_one():
    pass

@pytest.mark.health("app")
def test_same():
    pass

class TestAgain:
    @pytest.mark.health("app")
    def test_same(self):
        pass

@pytest.mark.health("app", requires="app.smae")
def test_first():
    pass

@pytest.mark.health("app", requires="app.three")
def test_two():
    pass

@pytest.mark.health("app", requires="app.two")
def test_three():
    pass
"""
LINES = [
    "health checks: 4 mistakes",
    "test_checks.py:4: @pytest.mark.health: got an unexpected keyword argument 'timout'",
    "test_checks.py:13: the id app.same is taken by the check at test_checks.py:8",
    "test_checks.py:17: app.first requires 'app.smae', which is not a check; did you mean app.same",
    "these checks require each other: app.t",
]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_every_mistake_is_named_at_once(run_checks: RunChecks, workers: tuple[str, ...]) -> None:
    result = run_checks(MISTAKES, *workers)

    assert result.exit_code == result.health["exit_code"] == 4, result.text
    assert result.health["status"] == "unknown"
    for line in LINES:
        assert line in result.text
    assert len(result.reasons) == 4

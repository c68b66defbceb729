"""Mistakes in markers, options and names: all in one go, with file and line, exit 4."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import Health

MANY = """
@pytest.mark.health("app", timout=5)
def test_one():
    pass

@pytest.mark.health("app", critical="yes")
@pytest.mark.threshold("x", warn=5, fail=5)
@pytest.mark.threshold("y", warn=5)
@pytest.mark.threshold("z", fail=float("nan"))
@pytest.mark.threshold("u", fail=1, better="lower", unit="parsec")
@pytest.mark.waive(until="tomorrow", reason="x")
def test_two():
    pass

@pytest.mark.health("app")
def test_same():
    pass

class TestAgain:
    @pytest.mark.health("app")
    def test_same(self):
        pass

@pytest.mark.health()
def test_nothing():
    pass

@pytest.mark.threshold("x", warn=1, fail=2)
def test_no_check():
    pass
"""
SAID = [
    "test_checks.py:4: @pytest.mark.health: got an unexpected keyword argument 'timout'",
    "critical= must be True or False, not 'yes'",
    "@pytest.mark.threshold: 'x': warn and fail are both 5",
    "'y': with one limit only, better='lower' or better='higher' is needed",
    "'z': fail=nan is no finite number",
    "'u': unknown unit 'parsec'",
    "until= must be a day such as '2026-12-31', not 'tomorrow'",
    "the id app.same is taken",
    "missing a required argument: 'component'",
    "@pytest.mark.threshold without @pytest.mark.health",
]


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_every_mistake_is_told_at_once(run: Health, workers: tuple[str, ...]) -> None:
    result = run(MANY, *workers)

    said = result.out + result.err
    assert result.exit_code == 4, said
    missing = [one for one in SAID if one not in said]
    assert not [one for one in missing if "taken" not in one], said
    assert "Traceback" not in said


def test_two_checks_with_one_id(run: Health) -> None:
    result = run("""
@pytest.mark.health("app")
def test_same():
    pass

class TestAgain:
    @pytest.mark.health("app")
    def test_same(self):
        pass
""")
    assert result.exit_code == 4
    assert (
        "test_checks.py:9: the id app.same is taken by the check at test_checks.py:4"
        in result.out + result.err
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--health-component", "ap"), "there is no component 'ap'; did you mean app?"),
        (
            ("--health-threshold", "app.xx=1:2"),
            "no threshold is called 'app.xx'; did you mean app.x?",
        ),
        (("--health-threshold", "app.x"), "app.x"),
        (("--health-threshold", "app.x=9:1"), "lower is better, so warn must be below fail"),
        (("--health-threshold", "app.x=nan:"), "nan"),
        (("--health-retry", "soon"), "expected a duration"),
        (("--health-allow", "unhealthy"), "invalid choice"),
        (("--health-project", "nowhere"), "nowhere"),
        (("--health-report", "/proc/none/report.json"), "--health-report"),
        (("-p", "no:timeout"), "pytest-timeout is switched off"),
    ],
)
def test_bad_options(run: Health, options: tuple[str, ...], said: str) -> None:
    result = run(
        """
@pytest.mark.health("app")
@pytest.mark.threshold("x", warn=1, fail=2)
def test_one(health):
    health.measure("x", 1, "s")
""",
        *options,
    )

    assert result.exit_code == 4, result.out + result.err
    assert said in result.out + result.err
    assert "Traceback" not in result.out + result.err

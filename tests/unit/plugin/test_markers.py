"""What the markers of a test declare, and every mistake in them with its place."""

import datetime

import pytest

from pytest_flowhealth.domain.alerting import Alerting
from pytest_flowhealth.domain.checks import CheckSpec, Waiver
from pytest_flowhealth.plugin.collection.markers import Mistakes, read_markers

CHECK = "@pytest.mark.health('app')\n"
MISTAKES = {
    "@pytest.mark.health()": "health: missing a required argument: 'component'",
    "@pytest.mark.health('1 2')": "the component must be a name such as 'redis', not '1 2'",
    "@pytest.mark.health('app', timout=5)": "health: got an unexpected keyword argument 'timout'",
    "@pytest.mark.health('app', critical='yes')": "critical= must be True or False, not 'yes'",
    "@pytest.mark.health('app', exclusive=1)": "exclusive= must be True or False, not 1",
    "@pytest.mark.health('app', remedy=1)": "remedy= must be a text, not 1",
    "@pytest.mark.health('app', timeout=0)": "timeout= must be seconds above zero, not 0",
    "@pytest.mark.health('app', timeout=True)": "timeout= must be seconds above zero, not True",
    "@pytest.mark.health('app', timeout=1e999)": "timeout= must be seconds above zero, not inf",
    "@pytest.mark.health('app', requires=[1])": "requires= must be the id of a check, or a tuple",
    CHECK + "@pytest.mark.threshold('x', warn=5, fail=5)": "'x': warn and fail are both 5",
    CHECK + "@pytest.mark.threshold('x', warn=5)": "with one limit only, better='lower' or",
    CHECK + "@pytest.mark.threshold('x', fail=float('nan'))": "'x': fail=nan is no finite number",
    CHECK + "@pytest.mark.threshold('x', fail=1, better='lower', unit='parsec')": (
        "'x': unknown unit 'parsec'"
    ),
    CHECK + "@pytest.mark.threshold('x', warn=1, fail=2)\n" * 2: "'x' is declared 2 times",
    CHECK + "@pytest.mark.waive(until='tomorrow', reason='x')": (
        "until= must be a day such as '2026-12-31', not 'tomorrow'"
    ),
    CHECK + "@pytest.mark.waive(until='2026-12-31', reason=' ')": "reason= must say why",
    CHECK + "@pytest.mark.alert(after='soon')": "after=: expected a duration",
    CHECK + "@pytest.mark.alert(severity='bad')": "severity= must be one of",
    CHECK + "@pytest.mark.alert(cooldown=-1)": "cooldown= must be seconds",
    CHECK + "@pytest.mark.alert(on='pass')": "on= must be one or several of warn, fail, unknown",
    "@pytest.mark.threshold('x', warn=1, fail=2)": "threshold without @pytest.mark.health",
    "@pytest.mark.waive(until='2026-12-31', reason='x')": "waive without @pytest.mark.health",
    "@pytest.mark.alert()": "alert without @pytest.mark.health",
}


def read(pytester: pytest.Pytester, source: str) -> tuple[list[CheckSpec | None], list[str]]:
    mistakes = Mistakes()
    items = pytester.getitems(f"import datetime, pytest\n{source}")
    return [read_markers(item, mistakes) for item in items], mistakes.lines


def test_every_mistake_is_found_with_its_file_and_line(pytester: pytest.Pytester) -> None:
    source = "".join(
        f"\n{markers}\ndef test_{number}(): pass\n" for number, markers in enumerate(MISTAKES)
    )

    declared, lines = read(pytester, source)

    assert declared == [None] * len(MISTAKES)
    assert len(lines) == len(MISTAKES)
    numbers = [int(line.split(":")[1]) for line in lines]
    assert (lines[0].split(":")[0], numbers[:2]) == (
        "test_every_mistake_is_found_with_its_file_and_line.py",
        [3, 6],
    )
    for line, words in zip(lines, MISTAKES.values(), strict=True):
        assert words in line


def test_markers_declare_a_check(pytester: pytest.Pytester) -> None:
    (declared,), mistakes = read(
        pytester,
        """
@pytest.mark.health("app", critical=False, requires="app.base", timeout=5, remedy="mend", exclusive=True)
@pytest.mark.threshold("first", warn=1, fail=2)
@pytest.mark.threshold("second.p95", fail=3, better="higher", unit="ms")
@pytest.mark.waive(until=datetime.datetime(2026, 12, 31, 12), reason="ticket 7")
@pytest.mark.alert(after="5m", cooldown=60, severity="critical", on="warn", runbook="https://wiki")
def test_it(): pass
""",
    )

    assert mistakes == []
    assert declared is not None
    assert (declared.id, declared.component, declared.critical) == ("app.it", "app", False)
    assert (declared.requires, declared.timeout, declared.remedy) == (("app.base",), 5.0, "mend")
    assert declared.exclusive
    assert [one.name for one in declared.thresholds] == ["first", "second.p95"]
    assert declared.waiver == Waiver(datetime.date(2026, 12, 31), "ticket 7")
    assert declared.alert == Alerting(300.0, 60.0, "critical", ("warn",), "https://wiki")


def test_own_markers_without_arguments_are_tags(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nmarkers =\n  nightly\n  slow\n")
    marks = ("slow", "nightly", "skip", "alert()", "timeout(5)", "health('app')")
    source = "".join(f"@pytest.mark.{mark}\n" for mark in marks)

    (declared,), _ = read(pytester, f"{source}def test_it(): pass\n")

    assert declared is not None
    assert declared.tags == ("nightly", "slow")


def test_an_id_has_the_name_of_the_function_with_the_parameters(pytester: pytest.Pytester) -> None:
    declared, mistakes = read(
        pytester,
        """
@pytest.mark.health("app")
@pytest.mark.parametrize("page", ["home", "login"])
def test_page(page): pass

@pytest.mark.health("other")
class TestOther:
    def test_method(self): pass
""",
    )

    assert mistakes == []
    assert [one and one.id for one in declared] == [
        *("app.page[home]", "app.page[login]", "other.method")
    ]

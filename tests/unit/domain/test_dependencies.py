"""Requirements between checks: names, order, rings and root causes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.domain.checks import CheckResult, CheckSpec, PhaseOutcome, Waiver
from pytest_flowhealth.domain.dependencies import (
    find_cycle,
    find_root_cause,
    make_finder,
    order_topologically,
    transitive_closure,
)
from tests.kit.reports import DAY, judged

FAILED = PhaseOutcome.FAILED


def declare(check_id: str, *requires: str, exclusive: bool = False) -> CheckSpec:
    component = check_id.partition(".")[0]
    return CheckSpec(
        check_id, check_id, component, "t.py:1", requires=requires, exclusive=exclusive
    )


CHAIN = [declare("b.third", "a.second"), declare("a.second", "a.first"), declare("a.first")]
PAGES = [declare("http.page[home]"), declare("http.page[login]"), declare("http.all", "http.page")]


def order(*declarations: CheckSpec) -> list[str]:
    return [declarations[index].id for index in order_topologically(declarations)]


def test_requirements_run_first_and_the_rest_stays_as_declared() -> None:
    assert order(declare("c.other"), *CHAIN, declare("c.more")) == [
        *("c.other", "a.first", "a.second", "b.third", "c.more")
    ]
    assert order(PAGES[2], *PAGES[:2]) == ["http.page[home]", "http.page[login]", "http.all"]


def test_exclusive_checks_run_last_after_what_they_require() -> None:
    alone = declare("a.alone", "a.first", exclusive=True)

    assert order(alone, *CHAIN) == ["a.first", "a.second", "b.third", "a.alone"]


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=9))
def test_any_order_of_declarations_puts_requirements_first(links: list[tuple[int, bool]]) -> None:
    checks = [
        declare(f"a.{number}", *([f"a.{to}"] if to < number else []), exclusive=exclusive)
        for number, (to, exclusive) in enumerate(links)
    ]
    places = {name: place for place, name in enumerate(order(*reversed(checks)))}

    assert len(places) == len(checks)
    assert all(places[name] < places[one.id] for one in checks for name in one.requires)


def test_checks_that_require_each_other_are_found_as_a_ring() -> None:
    found = find_cycle([declare("a.two", "a.three"), declare("a.three", "a.two"), declare("a.one")])

    assert found is not None
    assert (found[0], sorted(found[1:])) == (found[-1], ["a.three", "a.two"])
    assert find_cycle([declare("a.one", "a.one")]) == ["a.one", "a.one"]
    assert find_cycle(CHAIN) is None


def test_a_selection_takes_along_all_that_it_requires() -> None:
    assert transitive_closure(["b.third"], [*CHAIN, declare("c.other")]) == {
        "b.third",
        "a.second",
        "a.first",
    }
    assert transitive_closure(["http.all"], PAGES) == {
        "http.all",
        "http.page[home]",
        "http.page[login]",
    }


HOLDS = judged("a.base", evidence={"warnings": ("mind",)})
FAILS = judged("a.bad", ending=FAILED)
SKIPS = judged("a.skip", ending=PhaseOutcome.SKIPPED, message="not here")
BLOCKED = judged("a.blocked", ending=PhaseOutcome.BLOCKED, evidence={"blocked_by": "z.root"})
LOGIN = judged("http.page[login]", ending=FAILED)


@pytest.mark.parametrize(
    ("requires", "cause"),
    [
        (("a.base",), None),
        (("a.left_out",), None),
        (("a.bad",), "a.bad"),
        (("a.skip",), "a.skip"),
        (("a.skip", "a.bad"), "a.bad"),
        (("a.blocked",), "z.root"),
        (("a.unknown",), "a.unknown"),
        (("a.xfail",), "a.xfail"),
        (("a.waived",), "a.waived"),
        (("http.page",), "http.page[login]"),
        (("http.page[login]",), "http.page[login]"),
        (("http.page[home]",), None),
    ],
)
def test_whatever_does_not_hold_blocks_and_the_root_cause_is_named(
    requires: tuple[str, ...], cause: str | None
) -> None:
    results: list[CheckResult] = [
        *(HOLDS, FAILS, SKIPS, BLOCKED, LOGIN, judged("http.page[home]")),
        judged("a.unknown", ending=PhaseOutcome.UNAVAILABLE),
        judged("a.xfail", ending=PhaseOutcome.XFAILED),
        judged("a.waived", ending=FAILED, waiver=Waiver(DAY, "ticket 7")),
    ]

    assert find_root_cause(requires, make_finder({one.id: one for one in results})) == cause

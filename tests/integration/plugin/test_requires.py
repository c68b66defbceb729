"""Requirements between checks: order, blocking and root causes through the whole command."""

import pytest

from tests.kit.runs import RunChecks

CHAIN = """
@pytest.mark.health("c", exclusive=True)
def test_alone():
    pass

@pytest.mark.health("b", requires="a.second")
def test_third():
    assert 0, "never run"

@pytest.mark.health("a", requires=("a.first",))
def test_second():
    assert 0, "never run"

@pytest.mark.health("a")
def test_first():
    assert 0, "down"

@pytest.mark.health("c", requires="z.base")
def test_other():
    assert 0, "never run"
"""
OTHER = "import pytest\n@pytest.mark.health('z')\ndef test_base():\n    assert 0, 'down too'\n"
OUTCOMES = {
    "a.first": "fail",
    "a.second": "skip",
    "b.third": "skip",
    "z.base": "fail",
    "c.other": "skip",
    "c.alone": "pass",
}


@pytest.mark.parametrize(
    "options",
    [(), ("-n", "2"), ("-n", "2", "--dist", "loadgroup")],
    ids=["alone", "load", "loadgroup"],
)
def test_a_failure_blocks_what_requires_it_in_any_order_and_file_and_on_any_worker(
    run_checks: RunChecks, options: tuple[str, ...]
) -> None:
    result = run_checks(
        CHAIN, *options, files={"test_z.py": OTHER}, path=("test_checks.py", "test_z.py")
    )

    assert result.exit_code == 2
    assert result.outcomes == OUTCOMES
    assert result.blocked == {"a.second": "a.first", "b.third": "a.first", "c.other": "z.base"}
    assert result.reasons == ["a.first: down", "z.base: down too"]
    assert result.status_of("b") is None
    assert "blocks a.second, b.third" in result.out
    if not options:
        assert list(result.outcomes) == list(OUTCOMES)


BODIES = {
    "skip": "pytest.skip('n/a')",
    "error": "raise KeyError",
    "limit": "health.measure('x', 9, 's')",
    "unknown": "pass",
    "warn": "health.measure('x', 1, 's'); health.warn('mind')",
    "xfail": "health.measure('x', 1, 's'); pytest.xfail('known')",
    "waived": "assert 0",
}
BASE = """
@pytest.mark.health("base")
@pytest.mark.threshold("x", warn=1, fail=2, unit="s")
{marker}
def test_{name}(health):
    {body}

@pytest.mark.health("next", requires="base.{name}")
def test_after_{name}(): pass
"""
PAGES = """
@pytest.mark.health("http")
@pytest.mark.parametrize("page", ["home", "login"])
def test_page(page):
    assert page == "home"

@pytest.mark.health("http", requires="http.page")
def test_all(): pass

@pytest.mark.health("http", requires="http.page[home]")
def test_one(): pass
"""


def test_whatever_does_not_hold_blocks_and_a_warning_does_not(run_checks: RunChecks) -> None:
    marker = "@pytest.mark.waive(until='2999-01-01', reason='known')"
    source = PAGES + "".join(
        BASE.format(name=name, body=body, marker=marker if name == "waived" else "")
        for name, body in BODIES.items()
    )

    result = run_checks(source)

    held = {name for name, outcome in result.outcomes.items() if outcome == "pass"}
    assert held == {"next.after_warn", "http.page[home]", "http.one"}
    assert result.blocked == {
        "http.all": "http.page[login]",
        **{f"next.after_{name}": f"base.{name}" for name in BODIES if name != "warn"},
    }


@pytest.mark.parametrize(
    ("path", "options"),
    [(("test_checks.py",), ("-k", "second")), (("test_checks.py::test_second",), ())],
    ids=["-k", "node id"],
)
def test_a_requirement_that_the_selection_left_out_does_not_block(
    run_checks: RunChecks, path: tuple[str, ...], options: tuple[str, ...]
) -> None:
    source = """
@pytest.mark.health("a")
def test_first():
    assert 0

@pytest.mark.health("a", requires="a.first")
def test_second():
    pass
"""
    result = run_checks(source, *options, path=path)

    assert (result.exit_code, result.outcomes) == (0, {"a.second": "pass"})


def test_a_component_takes_its_requirements_along(run_checks: RunChecks) -> None:
    result = run_checks(CHAIN.replace("z.base", "a.first"), "--health-component", "b")

    assert result.outcomes == {"a.first": "fail", "a.second": "skip", "b.third": "skip"}
    assert result.health["not_asked"] == ["c"]
    assert "not asked for: c" in result.out


def test_a_component_that_is_named_is_not_healthy_by_what_it_requires(
    run_checks: RunChecks,
) -> None:
    source = """
@pytest.mark.health("base")
def test_there():
    pass

@pytest.mark.health("extra", requires="base.there")
def test_it(health):
    health.not_applicable("none is configured")
"""
    extra = run_checks(source, "--health-component", "extra")

    assert (extra.exit_code, extra.reasons) == (3, ["every check of extra was skipped"])
    both = ("--health-component", "extra", "--health-component", "base")
    assert run_checks(source, *both).exit_code == 0
    assert run_checks(source).exit_code == 0

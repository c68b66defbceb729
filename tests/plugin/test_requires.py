"""Requirements: order, blocking, root causes, mistakes; in one process and under xdist."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import Health

CHAIN = """
@pytest.mark.health("b", requires="a.second")
def test_third():
    assert 0, "never run"

@pytest.mark.health("a", requires=("a.first",))
def test_second():
    assert 0, "never run"

@pytest.mark.health("a")
def test_first():
    assert 0, "down"

@pytest.mark.health("c")
def test_other():
    pass
"""


def test_a_failure_blocks_what_requires_it_in_any_order_of_declaration(run: Health) -> None:
    result = run(CHAIN)

    assert result.exit_code == 2
    assert result.outcomes == {
        "a.first": "fail",
        "a.second": "skip",
        "b.third": "skip",
        "c.other": "pass",
    }
    assert result.check("b.third")["blocked_by"] == "a.first"
    assert result.health["reasons"] == ["a.first: down"]
    assert result.health["components"]["b"]["status"] is None
    assert "blocks a.second, b.third" in result.out


def test_across_files(run: Health) -> None:
    later = "import pytest\n@pytest.mark.health('z')\ndef test_base():\n    assert 0, 'down'\n"
    first = "@pytest.mark.health('a', requires='z.base')\ndef test_first():\n    assert 0\n"

    result = run(first, files={"test_later.py": later}, path=("test_checks.py", "test_later.py"))

    assert result.outcomes == {"z.base": "fail", "a.first": "skip"}


@pytest.mark.parametrize("dist", ["load", "loadscope", "worksteal", "loadgroup", "each"])
def test_under_xdist_a_failure_is_laid_to_the_root_cause(run: Health, dist: str) -> None:
    if dist == "each":
        pytest.skip("xdist's each runs every check on every worker; ids are then taken twice")
    result = run(CHAIN, "-n", "2", "--dist", dist)

    assert result.exit_code == 2
    assert result.outcomes == {
        "a.first": "fail",
        "a.second": "skip",
        "b.third": "skip",
        "c.other": "pass",
    }
    assert result.check("b.third")["blocked_by"] == "a.first"


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        ("pytest.skip('n/a')", "skip"),
        ("raise KeyError", "fail"),
        ("health.measure('x', 9, 's')", "fail"),
    ],
)
def test_whatever_does_not_hold_blocks(run: Health, ending: str, outcome: str) -> None:
    result = run(f"""
@pytest.mark.health("a")
@pytest.mark.threshold("x", warn=1, fail=2, unit="s")
def test_base(health):
    {ending}

@pytest.mark.health("a", requires="a.base")
def test_next():
    pass

@pytest.mark.health("b")
def test_fine():
    pass
""")
    assert result.outcomes == {"a.base": outcome, "a.next": "skip", "b.fine": "pass"}


def test_a_warning_does_not_block(run: Health) -> None:
    result = run("""
@pytest.mark.health("a")
def test_base(health):
    health.warn("mind")

@pytest.mark.health("a", requires="a.base")
def test_next():
    pass
""")
    assert result.outcomes == {"a.base": "warn", "a.next": "pass"}


@pytest.mark.parametrize(
    "marker", ["xfail(reason='known')", "waive(until='2999-01-01', reason='known')"]
)
def test_a_failure_that_is_tolerated_blocks_all_the_same(run: Health, marker: str) -> None:
    result = run(f"""
@pytest.mark.health("a")
@pytest.mark.{marker}
def test_base(health):
    assert 0

@pytest.mark.health("a", requires="a.base")
def test_next():
    assert 0
""")
    assert result.outcomes == {"a.base": "warn", "a.next": "skip"}
    assert result.exit_code == 1


def test_one_broken_variant_blocks_what_requires_all(run: Health) -> None:
    result = run("""
@pytest.mark.health("http")
@pytest.mark.parametrize("page", ["home", "login"])
def test_page(page):
    assert page == "home"

@pytest.mark.health("http", requires="http.page")
def test_all():
    pass

@pytest.mark.health("http", requires="http.page[home]")
def test_one():
    pass
""")
    assert result.outcomes["http.all"] == "skip"
    assert result.check("http.all")["blocked_by"] == "http.page[login]"
    assert result.outcomes["http.one"] == "pass"


@pytest.mark.parametrize("selection", [("-k", "second"), ("test_checks.py::test_second",)])
def test_a_requirement_that_the_selection_left_out_does_not_block(
    run: Health, selection: tuple[str, ...]
) -> None:
    source = """
@pytest.mark.health("a")
def test_first():
    assert 0

@pytest.mark.health("a", requires="a.first")
def test_second():
    pass
"""
    path = ("test_checks.py",) if selection[0] == "-k" else ()

    result = run(source, *selection, path=path)

    assert result.outcomes == {"a.second": "pass"}, result.out
    assert result.exit_code == 0


def test_a_component_takes_its_requirements_along(run: Health) -> None:
    result = run(CHAIN, "--health-component", "b")

    assert result.outcomes == {"a.first": "fail", "a.second": "skip", "b.third": "skip"}
    assert result.health["not_asked"] == ["c"]
    assert "not asked for: c" in result.out


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_unknown_names_and_rings_are_usage_errors(run: Health, workers: tuple[str, ...]) -> None:
    result = run(
        """
@pytest.mark.health("a", requires="a.frist")
def test_first():
    pass

@pytest.mark.health("a", requires="a.three")
def test_two():
    pass

@pytest.mark.health("a", requires="a.two")
def test_three():
    pass
""",
        *workers,
    )

    assert result.exit_code == 4, result.out + result.err
    said = result.out + result.err
    assert (
        "test_checks.py:4: a.first requires 'a.frist', which is no check; did you mean a.first"
        in said
    )
    assert "these checks require each other: a." in said
    assert result.health["status"] == "unknown"
    assert result.health["exit_code"] == 4


def test_exclusive_checks_run_last(run: Health) -> None:
    result = run("""
@pytest.mark.health("a", exclusive=True)
def test_first():
    pass

@pytest.mark.health("a")
def test_second():
    pass
""")
    assert list(result.outcomes) == ["a.second", "a.first"]


def test_what_is_asked_for_by_name_is_not_healthy_by_what_it_requires(run: Health) -> None:
    source = """
@pytest.mark.health("base")
def test_there():
    pass

@pytest.mark.health("extra", requires="base.there")
def test_it(health):
    health.not_applicable("none is configured")
"""
    result = run(source, "--health-component", "extra")
    assert (result.exit_code, result.health["reasons"]) == (3, ["every check of extra was skipped"])
    assert run(source, "--health-component", "extra", "--health-component", "base").exit_code == 0
    assert run(source).exit_code == 0

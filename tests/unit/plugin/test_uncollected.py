"""Checks that are written are found in the source, and compared with what pytest collected."""

from pathlib import Path

import pytest

from pytest_flowhealth.plugin.collection.assertions import find_vain_assertions
from pytest_flowhealth.plugin.collection.uncollected import (
    find_uncollected,
    is_fully_collected,
    read_checks,
)

SOURCE = """
import pytest
pytest.importorskip("nothere")
{mark}
@pytest.mark.health("app", timeout=5)
def test_own(): pass
def test_plain(): pass
@pytest.mark.health("app")
def helper(): pass
@pytest.mark.health("http")
class TestPages:
    async def test_page(self): pass
    @pytest.mark.health("other")
    def test_other(self): pass
"""


def ids(path: Path) -> list[str | None]:
    return [check.id for check in read_checks(path)]


@pytest.mark.parametrize("mark", ["pytestmark = {0}", "pytestmark = [pytest.mark.slow, {0}]"])
def test_markers_of_functions_classes_and_modules_declare_checks(tmp_path: Path, mark: str) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(SOURCE.format(mark=""))
    assert ids(file) == ["app.own", "app.helper", "http.page", "other.other"]

    file.write_text(SOURCE.format(mark=mark.format("pytest.mark.health('all')")))
    assert ids(file) == ["app.own", "all.plain", "app.helper", "http.page", "other.other"]


@pytest.mark.parametrize("content", [b"def (", b"\0", b"\xff", b"(" * 100_000])
def test_a_file_that_is_not_python_declares_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "test_it.py").write_bytes(content)

    assert ids(tmp_path / "test_it.py") == []
    assert ids(tmp_path / "not_there.py") == []


HEAD = "import pytest\nfrom pytest import mark\nredis = mark.health('redis')\n"
UP = "    assert 1\n"
CASES = {
    "collected": ("test_a.py", f"@redis\ndef test_up():\n{UP}", None),
    "file name": ("shop.py", f"@redis\ndef test_up():\n{UP}", "python_files"),
    "function name": ("test_a.py", f"@redis\ndef check_up():\n{UP}", "python_functions"),
    "class name": (
        "test_a.py",
        f"@redis\nclass Shop:\n  def test_up(self):\n{UP}",
        "python_classes",
    ),
    "__init__": (
        "test_a.py",
        f"class TestA:\n  def __init__(self): pass\n  @redis\n  def test_up(self):\n{UP}",
        "has a method __init__",
    ),
    "__test__": (
        "test_a.py",
        f"class TestA:\n  __test__ = False\n  @redis\n  def test_up(self):\n{UP}",
        "__test__ = False",
    ),
    "defined twice": (
        "test_a.py",
        f"@redis\ndef test_up():\n{UP}\n@redis\ndef test_up():\n{UP}",
        "is defined again on line 9",
    ),
    "class defined twice": (
        "test_a.py",
        f"class TestA:\n  @redis\n  def test_up(self):\n{UP}\nclass TestA:\n  def test_it(self): pass\n",
        "the class TestA is defined again on line",
    ),
    "a block that did not run": (
        "test_a.py",
        f"if pytest is None:\n  @redis\n  def test_up():\n  {UP}",
        "the block that it is in did not run",
    ),
    "one of two blocks": (
        "test_a.py",
        f"if pytest is None:\n  @redis\n  def test_up():\n  {UP}else:\n  @redis\n  def test_up():\n  {UP}",
        None,
    ),
    "inside a function": (
        "test_a.py",
        f"def make():\n  @redis\n  def test_up():\n  {UP}",
        "inside the function make",
    ),
    "a marked lambda": ("test_a.py", "test_up = redis(lambda: None)\n", "defined with def"),
    "a function that is marked later": ("test_a.py", "def up(): pass\ntest_up = redis(up)\n", None),
    "an alias": (
        "test_a.py",
        f"import pytest as p\nhealth = p.mark.health\n@health('app')\ndef up():\n{UP}",
        "python_functions",
    ),
    "a marker of another module": (
        "test_a.py",
        f"from marks import shop\n@shop\ndef up():\n{UP}",
        "python_functions",
    ),
    "a marker of a module's namespace": (
        "shop.py",
        f"import marks\n@marks.shop\ndef test_up():\n{UP}",
        "python_files",
    ),
    "a marker from a star import": (
        "shop.py",
        f"from marks import *\n@shop\ndef test_up():\n{UP}",
        "python_files",
    ),
    "a decorator of another module": (
        "shop.py",
        f"from marks import checked\n@checked\ndef test_up():\n{UP}",
        "python_files",
    ),
    "a decorator that makes a marker": (
        "shop.py",
        f"def check(name):\n  return mark.health(name)\n@check('shop')\ndef test_up():\n{UP}",
        "python_files",
    ),
    "a marker in a dict": (
        "shop.py",
        f"MARKS = {{'shop': redis}}\n@MARKS['shop']\ndef test_up():\n{UP}",
        "python_files",
    ),
    "a made decorator that is used": (
        "test_a.py",
        f"def check(name):\n  return mark.health(name)\nshop = check('shop')\n@shop\ndef test_up():\n{UP}",
        None,
    ),
    "a check that another test is parametrized with": (
        "test_a.py",
        f"@redis\ndef test_up():\n{UP}@mark.parametrize('check', [test_up])\ndef test_plain(check):\n{UP}",
        None,
    ),
    "a parameter called like a marker": (
        "test_a.py",
        f"def trace(redis):\n  return redis\n@trace\ndef helper():\n{UP}@redis\ndef test_up():\n{UP}",
        None,
    ),
    "imported again": (
        "test_a.py",
        f"@redis\ndef test_up():\n{UP}from marks import test_up\n",
        "is defined again on line 7",
    ),
    "deleted": ("test_a.py", f"@redis\ndef test_up():\n{UP}del test_up\n", "again on line 7"),
    "a wrapper that hides the marker": (
        "test_a.py",
        f"def hide(function):\n  return lambda: function()\n@hide\n@redis\ndef test_up():\n{UP}",
        "no marker on it",
    ),
    "a file that is no Python": (
        "shop.py",
        "@mark.health('app')\ndef (\n",
        "can't be read: invalid",
    ),
    "unittest": (
        "test_a.py",
        f"import unittest\n@redis\nclass Shop(unittest.TestCase):\n  def test_up(self):\n{UP}",
        None,
    ),
    "of a base class": (
        "test_a.py",
        f"class Base:\n  @redis\n  def test_up(self):\n{UP}\nclass TestShop(Base): pass\n",
        None,
    ),
    "a dangling link": (
        "test_a.py",
        f"@redis\ndef test_up():\n{UP}",
        "can't be read: No such file",
    ),
    "a helper": ("helpers.py", "def test_up(): pass\ndef up(): pass\n", "contains no check"),
}


def test_a_check_that_pytest_did_not_collect_is_a_problem_with_the_reason(
    pytester: pytest.Pytester,
) -> None:
    pytester.syspathinsert()
    pytester.makepyfile(
        marks="import pytest\nshop = pytest.mark.health('shop')\ndef test_up(): pass\n"
        "def checked(function): return shop(function)\n"
    )
    folders = {case: pytester.mkdir(case.replace(" ", "_")) for case in CASES}
    for case, (name, source, _) in CASES.items():
        (folders[case] / name).write_text(HEAD + source)
    dangling = folders["a dangling link"]
    (dangling / "test_b.py").symlink_to("nowhere.py")
    (dangling / "data.py").symlink_to("nowhere.py")
    # All are collected in one session: each of them takes longer than all the cases.
    args = ["--import-mode=importlib", "-Wdefault", *map(str, folders.values())]
    config = pytester.parseconfigure(*args)
    items, _ = pytester.inline_genitems(*args)

    for case, (_, _, reason) in CASES.items():
        config.args = [str(folders[case])]
        problems = [problem.text for problem in find_uncollected(config, items, (), [])]
        assert len(problems) == (reason is not None), (case, problems)
        assert reason is None or reason in problems[0], (case, problems)


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        *[("assert (up == 1, 'down')", "a tuple"), ("assert [up == 1]", "a list")],
        *[("assert 'the shop is up'", "a text"), ("assert f'{up} is up'", "a text")],
        *[("assert lambda: False", "a function"), ("assert (x for x in [0])", "a generator")],
        *[("assert {'up': up}", "a dict"), ("assert is_up", "the function is_up")],
        *[("assert is_up, 'down'", "the function is_up"), ("assert is_up()", None)],
        *[
            ("assert [*up]", None),
            ("assert ''", None),
            ("assert up", None),
            ("assert f'{up}'", None),
        ],
        ("is_up = is_up()\n    assert is_up", None),
    ],
)
def test_an_assertion_that_is_always_true_is_found(
    tmp_path: Path, statement: str, kind: str | None
) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(f"def is_up(): return 0\ndef test_it(up):\n    {statement}\n")

    found = find_vain_assertions(file)

    assert len(found) == (kind is not None)
    assert kind is None or found[0][0] == 3
    assert kind is None or found[0][1].startswith(kind)


PLAIN = '''"""Checks."""
import pytest
from common import redis

LIMIT = 5
pytestmark = pytest.mark.health("app")

@pytest.fixture(scope="session")
def thing():
    client = connect("x")
    return client

def helper(): pass

@pytest.mark.health("app",
    timeout=5)
@redis
async def check_it(): pass

def test_plain(): pass
'''
"""What may be a check begins on the lines 15 and 20."""


@pytest.mark.parametrize(
    ("added", "lines", "expected"),
    [
        ("", {15, 20}, True),
        ("", {15}, False),
        ("", {20}, False),
        ("@redis\ndef helper_2(): pass\n", {15, 20}, False),
        ("def test_plain(): pass\n", {15, 22}, False),
        ("class Checks: pass\n", {15, 20}, False),
        ("if LIMIT:\n    @redis\n    def it(): pass\n", {15, 20}, False),
        ("def outer():\n    @redis\n    def it(): pass\n", {15, 20}, False),
        ("test_more = redis(helper)\n", {15, 20}, False),
        ("test_more: object = redis(helper)\n", {15, 20}, False),
        ("import os; test_more = redis(helper)\n", {15, 20}, False),
        ("test_more = \\\n    redis(helper)\n", {15, 20}, False),
        ("async \\\ndef test_more(): pass\n", {15, 20}, False),
        ("x = 1\x0c\n", {15, 20}, False),
    ],
)
def test_a_file_is_not_parsed_if_all_that_may_be_a_check_was_collected(
    tmp_path: Path, added: str, lines: set[int], expected: bool
) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(PLAIN + added)

    assert is_fully_collected(file, lines) is expected

"""The bundled checks are found and collected, whatever the target's own pytest settings are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pytest_flowhealth.plugin import bundled
from tests.plugin.conftest import Health

QUICK = set(bundled.QUICK)
OWN = "@pytest.mark.health('own')\ndef test_it(target):\n    assert target.name == 'app'\n"


def test_without_a_path_the_quick_components_are_looked_at(run: Health) -> None:
    result = run("", path=())

    assert set(result.health["components"]) >= QUICK
    assert result.exit_code != 4


def test_the_targets_own_checks_come_along(run: Health) -> None:
    files = {
        "health/test_own.py": "import pytest\n" + OWN,
        "flowhealth.toml": 'checks = ["health/"]\n',
    }

    result = run("", path=(), files=files)

    assert result.outcomes["own.it"] == "pass"
    assert set(result.health["components"]) == {*QUICK, "own"}


def test_one_component(run: Health) -> None:
    result = run("", "--health-component", "system", path=())

    assert set(result.health["components"]) <= {"system", "package"}
    assert "redis" in result.health["not_asked"]


SETTINGS = {
    "names": "[pytest]\npython_files = check_*.py\npython_functions = check_*\npython_classes = Check*\n",
    "strict": "[pytest]\naddopts = --strict-markers --strict-config -p no:cacheprovider\nfilterwarnings = error\n",
    "import mode": "[pytest]\naddopts = --import-mode=append\n",
    "test paths": "[pytest]\ntestpaths = nowhere elsewhere\n",
}


@pytest.mark.parametrize("row", SETTINGS)
def test_the_targets_settings_do_not_matter(run: Health, row: str) -> None:
    files = {
        "pytest.ini": SETTINGS[row],
        "test_system.py": "raise OSError('the same name as a bundled file')\n",
    }

    result = run("", path=(), files=files)

    assert set(result.health["components"]) >= QUICK, result.out + result.err
    assert not [one for one in result.health["reasons"] if "collect" in one]


def test_a_plugin_that_keeps_the_bundled_checks_from_being_collected(run: Health) -> None:
    plugin = (
        "import pytest\n@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_pycollect_makeitem(collector):\n"
        "    return [] if collector.path.name == 'test_redis.py' else None\n"
    )

    result = run("", "-p", "drops", path=(), files={"drops.py": plugin}, env={"PYTHONPATH": "."})

    assert "the bundled checks of redis were not collected" in result.health["reasons"]
    assert result.exit_code in (2, 3)


def test_from_a_folder_below_and_from_elsewhere(run: Health, tmp_path: Path) -> None:
    run("", path=())
    below = run("", "--health-project", ".", path=())

    assert below.health["target"]["path"] == str(tmp_path.resolve())


@pytest.mark.parametrize(
    "path", sorted(bundled.folder().glob("test_*.py")), ids=lambda path: path.name
)
def test_each_bundled_check_has_a_timeout_a_docstring_and_a_place_in_its_component(
    path: Path,
) -> None:
    component = path.stem.removeprefix("test_")
    for node in ast.parse(path.read_text()).body:
        if not (isinstance(node, ast.FunctionDef) and node.name.startswith("test_")):
            continue
        mark = next(
            one for one in node.decorator_list
            if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr == "health"
        )  # fmt: skip
        assert isinstance(mark.args[0], ast.Constant)
        assert mark.args[0].value == component
        assert "timeout" in [one.arg for one in mark.keywords], node.name
        assert ast.get_docstring(node), node.name

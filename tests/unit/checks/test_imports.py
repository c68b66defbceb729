"""The bundled checks use only the public API: users start by copying one."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import pytest_flowhealth
from pytest_flowhealth import probes

ROOT = Path(__file__).parents[3]
CHECKS = ROOT / "checks"
EXAMPLES = (
    *(ROOT / "examples/app/health").glob("*.py"),
    *(ROOT / "pytest_flowhealth/feedback/scaffold/templates/checks").glob("*.py.txt"),
    *(ROOT / "tests/kit/third_party").rglob("*.py"),
)

PACKAGE = pytest_flowhealth.__name__
FACADES = {
    PACKAGE,
    probes.__name__,
    *(f"{probes.__name__}.{one.name}" for one in pkgutil.iter_modules(probes.__path__)),
}
"""The modules that a check may import names from; each lists them in `__all__`."""


def find_private_imports(source: str) -> list[str]:
    """Return each import of this package that is not public, wherever it is in the file."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [one.name for one in node.names if not is_allowed(one.name)]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names = [one.name for one in node.names]
            found += [f"{module}: {name}" for name in names if not is_allowed(module, name)]
    return found


def is_allowed(module: str, name: str | None = None) -> bool:
    """Tell whether an import is of another package, or public."""
    return module.partition(".")[0] not in (PACKAGE, "") or is_public(module, name)


def is_public(module: str, name: str | None = None) -> bool:
    """Tell whether a module is a facade, and `name` is one of its public names."""
    if module not in FACADES or not hasattr(importlib.import_module(module), "__all__"):
        return module == probes.__name__ and name is not None and is_public(f"{module}.{name}")
    public = importlib.import_module(module).__all__
    if module == PACKAGE and name == "probes":
        return True
    return name is None or name in public or is_public(f"{module}.{name}")


@pytest.mark.parametrize("path", sorted(CHECKS.glob("*.py")), ids=lambda path: path.name)
def test_a_bundled_check_imports_only_the_public_api(path: Path) -> None:
    assert find_private_imports(path.read_text()) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_an_example_check_imports_only_the_public_api(path: Path) -> None:
    assert find_private_imports(path.read_text()) == []


@pytest.mark.parametrize("module", sorted(FACADES))
def test_every_public_name_can_be_imported(module: str) -> None:
    facade = importlib.import_module(module)
    for name in getattr(facade, "__all__", ()):
        assert getattr(facade, name) is not None


@pytest.mark.parametrize(
    ("source", "public"),
    [
        ("import pytest_flowhealth", True),
        ("from pytest_flowhealth import Health, prefetch", True),
        ("from pytest_flowhealth import probes", True),
        ("from pytest_flowhealth.probes import github", True),
        ("from pytest_flowhealth.probes.github import Issue", True),
        ("import pytest_flowhealth.probes.github", True),
        ("import json, redis", True),
        ("from pytest_flowhealth import config", False),
        ("from pytest_flowhealth.errors import UsageError", False),
        ("from pytest_flowhealth.probes import descendants", False),
        ("from pytest_flowhealth.probes.github import client", False),
        ("from pytest_flowhealth.probes.github.client import GitHubClient", False),
        ("import pytest_flowhealth.domain.units", False),
        ("from . import helpers", False),
        ("def f():\n    from pytest_flowhealth.history import store", False),
        ("if TYPE_CHECKING:\n    from pytest_flowhealth.config.target import Target", False),
        ("from pytest_flowhealth import *", False),
    ],
)
def test_private_imports_are_found_wherever_they_are(source: str, public: bool) -> None:
    assert (find_private_imports(source) == []) is public

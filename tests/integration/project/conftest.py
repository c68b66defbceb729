"""A small project that npm installed, for tests of what npm and Node say of it."""

import shutil
from pathlib import Path

import pytest

from tests.kit.projects import install_small
from tests.kit.sharing import shared_folder


@pytest.fixture(scope="session")
def small_installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with a workspace, an alias and two versions of ms, as npm installed it."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    return shared_folder(tmp_path_factory, "small", install_small)


@pytest.fixture
def small(small_installed: Path, tmp_path: Path) -> Path:
    """Return a copy of the small project that may be broken."""
    return Path(shutil.copytree(small_installed, tmp_path / "app", symlinks=True))

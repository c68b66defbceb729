"""axe-core, fetched once for all workers."""

from __future__ import annotations

import shutil

import pytest

from tests.kit.sharing import shared_folder
from tests.kit.tabs import fetch_axe


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the script of axe-core."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder = shared_folder(tmp_path_factory, "axe", fetch_axe)
    return (folder / "package/axe.min.js").read_text()

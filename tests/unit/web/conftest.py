"""The web page's application, in-process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.web_app import WebApp, token_table, web_app

TOKENS = token_table(reader="read", scraper="metrics", reporter="report")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[WebApp]:
    """Return an application with the user `admin`, three tokens, and that of the environment."""
    with web_app(tmp_path / "app", TOKENS, token="both") as found:
        yield found

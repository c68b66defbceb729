"""GitHub at a port of this machine."""

from collections.abc import Iterator

import pytest

from tests.kit.github import GitHubServer


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    with GitHubServer() as server:
        yield server

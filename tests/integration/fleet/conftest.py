"""What the tests of fleets share."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.bullmq import RUN, BullMQ, install, marked
from tests.kit.redis import RedisServer
from tests.kit.sharing import shared_folder


@pytest.fixture(scope="session")
def bullmq_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with BullMQ, installed once for all workers."""
    return shared_folder(tmp_path_factory, "bullmq", install)


@pytest.fixture(scope="session")
def bullmq_process(bullmq_folder: Path) -> Iterator[BullMQ]:
    """Start one Node process for all tests of this worker; `bullmq` is the same, with no queues."""
    with BullMQ(bullmq_folder) as process:
        yield process


@pytest.fixture
def bullmq(bullmq_process: BullMQ, breakable_redis: RedisServer) -> Iterator[BullMQ]:
    """Return BullMQ with its queues in `breakable_redis`."""
    bullmq_process.open(breakable_redis.port)
    yield bullmq_process
    bullmq_process.open(0)


@pytest.fixture
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Assert that no process which the test's spawns started is left."""
    word = secrets.token_hex(8)
    monkeypatch.setenv(RUN, word)
    yield
    assert marked(word) == []

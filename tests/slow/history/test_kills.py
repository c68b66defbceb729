"""A hundred kills of writers; tests/integration/history has a few."""

from pathlib import Path

from tests.kit.writers import assert_kills_lose_no_requests, assert_kills_lose_no_samples


def test_hundred_killed_writers_of_a_history_lose_nothing(tmp_path: Path) -> None:
    assert_kills_lose_no_samples(tmp_path / "history.db", kills=100)


def test_thirty_killed_writers_of_a_queue_lose_nothing(tmp_path: Path) -> None:
    assert_kills_lose_no_requests(tmp_path / "queue", kills=30)

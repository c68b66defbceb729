"""Ten thousand random histories of alerts."""

import pytest

from tests.kit.alerts import replay_random_history

HISTORIES, PARTS = 10_000, 5


@pytest.mark.parametrize("part", range(PARTS))
def test_random_histories_keep_what_is_promised_of_messages(part: int) -> None:
    for seed in range(part, HISTORIES, PARTS):
        replay_random_history(seed)

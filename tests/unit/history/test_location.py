"""Where a history is: a file, a server with a file beside it, or a usage error that tells no secret."""

from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.history import History, HistoryAddress
from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history.location import find_location


def target(tmp_path: Path, **history: Any) -> Target:
    return Target(tmp_path, Configuration(history=History(**history)), {}, {})


def test_there_is_no_history_unless_requested(tmp_path: Path) -> None:
    assert find_location(None, tmp_path, target(tmp_path), {}) is None


def test_file_is_relative_to_the_current_folder(tmp_path: Path) -> None:
    found = find_location("sqlite:///h.db", tmp_path / "here", target(tmp_path), {})
    assert found is not None
    assert (found.path, found.server, found.start_write_client()) == (
        tmp_path / "here/h.db",
        None,
        None,
    )


def test_server_has_a_file_and_a_queue_in_the_project(tmp_path: Path) -> None:
    one = target(
        tmp_path,
        url=HistoryAddress(server="http://h:8428"),
        token_env="T",
        queue_size=2**20,
        queue_age=7_200.0,
    )
    found = find_location(None, tmp_path / "here", one, {"T": " t0ken\n"})
    assert found is not None
    assert found.path == tmp_path / ".flowhealth/history.db"
    assert found.queue == tmp_path / ".flowhealth/history.db.remote"
    assert (found.server, found.token) == ("http://h:8428", "t0ken")
    assert (found.limits.size, found.limits.age) == (2**20, 7_200)


@pytest.mark.parametrize(
    "url", ["http://", "https://user:pa55@:80/", "http://h:pa55", "http://[::1"]
)
def test_wrong_address_is_a_usage_error_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="http://localhost:8428") as error:
        find_location(url, tmp_path, target(tmp_path), {})
    assert "pa55" not in str(error.value)


def test_token_variable_that_is_not_set_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the variable T, which history\.token_env names"):
        find_location("http://h", tmp_path, target(tmp_path, token_env="T"), {"T": ""})

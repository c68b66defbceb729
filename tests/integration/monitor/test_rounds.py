"""One round of the monitor, which is a pytest in a child process, without the monitor."""

import json
from pathlib import Path

import pytest

from pytest_flowhealth.monitor.protocol import RoundRequest
from pytest_flowhealth.monitor.round_process import RoundProcess, RoundResult
from pytest_flowhealth.monitor.settings import MonitorOptions, load_settings, make_round_command
from tests.kit.monitor import is_gone, write_own_checks
from tests.kit.waiting import wait_for

LIMIT = 600.0


def begin(folder: Path, mode: str) -> RoundProcess:
    (folder / "package.json").write_text('{"name": "shop", "version": "1.0.0"}')
    (folder / "flowhealth.toml").write_text('checks = ["health/"]')
    (folder / "mode").write_text(mode)
    options = MonitorOptions(str(folder), None, None, ("own",), False, (), None, None)
    words = make_round_command(options, load_settings(options, {}), None)
    request = RoundRequest(pipe=-1, history=str(folder / "kept" / "history.db"))
    return RoundProcess(words, folder, request, 0.0, LIMIT)


def result_of(round_: RoundProcess, now: float = 0.0) -> tuple[RoundResult, list[str]]:
    """Wait for the end, at a time of the monitor's clock; return it and the kinds of frames."""
    frames: list[str] = []

    def over() -> RoundResult | None:
        frames.extend(type(frame).__name__ for frame in round_.read())
        return round_.poll(now)

    found = wait_for(over)
    assert found is not None
    return found, frames


def test_round_reports_its_plan_each_component_and_its_verdict(tmp_path: Path) -> None:
    write_own_checks(tmp_path)

    result, frames = result_of(begin(tmp_path, "broken"))

    assert (result.problems, frames) == (
        (),
        ["CollectionFinished", "ComponentFinished", "RoundFinished"],
    )
    assert result.ended is not None
    assert result.ended.exit_code == 2


def test_round_past_its_limit_is_ended_with_a_child_that_detached_itself(tmp_path: Path) -> None:
    write_own_checks(tmp_path)
    round_ = begin(tmp_path, "hang")
    hangs = tmp_path / "hangs"
    wait_for(hangs.exists)
    assert round_.poll(LIMIT) is None

    result, _ = result_of(round_, LIMIT + 1)

    assert result.problems == ("the round took longer than its limit of 600 s and was ended",)
    assert result.ended is None
    wait_for(lambda: is_gone(int(hangs.read_text())))


def test_file_of_checks_that_cannot_be_imported_is_a_problem_of_the_round(tmp_path: Path) -> None:
    write_own_checks(tmp_path, "import nothing_of_that_name\n")

    result, _ = result_of(begin(tmp_path, "ok"))

    assert result.problems != ()


@pytest.mark.parametrize(
    "option", ["--lf --ff --nf -qqq", "--sw", "-x --pdb --cache-clear", "--maxfail=1 -n 2"]
)
def test_projects_options_neither_select_checks_nor_end_a_round_early(
    tmp_path: Path, option: str
) -> None:
    write_own_checks(tmp_path)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\naddopts = {option}\n")

    result_of(begin(tmp_path, "broken"))
    result, _ = result_of(begin(tmp_path, "broken, also quiet"))

    assert result.ended is not None
    checks = json.loads(bytes(result.ended.report))["health"]["checks"]
    outcomes = {check["id"]: check["outcome"] for check in checks}
    assert outcomes == {"own.switch": "fail", "own.quiet": "fail"}
    assert not (tmp_path / ".pytest_cache").exists()

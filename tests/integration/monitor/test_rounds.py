"""One round of the monitor, which is a pytest in a child process, without the monitor."""

import asyncio
from pathlib import Path

import pytest

from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.monitor.protocol import Frame
from pytest_flowhealth.monitor.round_process import RoundProcess, RoundResult
from pytest_flowhealth.monitor.round_request import RoundRequest
from pytest_flowhealth.monitor.settings import MonitorOptions, load_settings, make_round_command
from tests.kit.monitor import is_gone, write_own_checks
from tests.kit.waiting import wait_for

LIMIT = 600.0


class Round:
    """A round of the project's own checks; `frames` are the kinds of frames that it sent."""

    def __init__(self, folder: Path, mode: str) -> None:
        (folder / "package.json").write_text('{"name": "shop", "version": "1.0.0"}')
        (folder / "flowhealth.toml").write_text('checks = ["health/"]')
        (folder / "mode").write_text(mode)
        self.frames: list[str] = []
        options = MonitorOptions(str(folder), None, None, ("own",), False, (), None, None)
        words = make_round_command(options, load_settings(options, {}), None)
        request = RoundRequest(pipe=-1, history=str(folder / "kept" / "history.db"))
        self._process = RoundProcess(words, folder, request, LIMIT, self._note)

    async def run(self, *, late_after: Path | None = None) -> RoundResult:
        """Run it; once the file `late_after` exists, its limit is over."""
        running = asyncio.create_task(self._process.run())
        loop = asyncio.get_running_loop()
        while late_after is not None and not late_after.exists():
            await asyncio.sleep(0.01)
        if late_after is not None:
            now = loop.time
            loop.time = lambda: now() + LIMIT  # type: ignore[method-assign]
        return await running

    def _note(self, frame: Frame) -> None:
        self.frames.append(type(frame).__name__)


def test_round_reports_its_plan_each_component_and_its_verdict(tmp_path: Path) -> None:
    write_own_checks(tmp_path)

    round_ = Round(tmp_path, "broken")
    result = asyncio.run(round_.run())

    assert (result.problems, round_.frames) == (
        (),
        ["CollectionFinished", "ComponentFinished", "RoundFinished"],
    )
    assert result.ended is not None
    assert result.ended.exit_code == 2


def test_round_past_its_limit_is_ended_with_a_child_that_detached_itself(tmp_path: Path) -> None:
    write_own_checks(tmp_path)
    hangs = tmp_path / "hangs"

    result = asyncio.run(Round(tmp_path, "hang").run(late_after=hangs))

    assert result.problems == ("the round took longer than its limit of 600 s and was ended",)
    assert result.ended is None
    wait_for(lambda: is_gone(int(hangs.read_text())))


def test_file_of_checks_that_cannot_be_imported_is_a_problem_of_the_round(tmp_path: Path) -> None:
    write_own_checks(tmp_path, "import nothing_of_that_name\n")

    result = asyncio.run(Round(tmp_path, "ok").run())

    assert result.problems != ()


@pytest.mark.parametrize(
    "option", ["--lf --ff --nf -qqq", "--sw", "-x --pdb --cache-clear", "--maxfail=1 -n 2"]
)
def test_projects_options_neither_select_checks_nor_end_a_round_early(
    tmp_path: Path, option: str
) -> None:
    write_own_checks(tmp_path)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\naddopts = {option}\n")

    asyncio.run(Round(tmp_path, "broken").run())
    result = asyncio.run(Round(tmp_path, "broken, also quiet").run())

    assert result.ended is not None
    outcomes = {check.id: check.outcome for check in result.ended.health.checks}
    assert outcomes == {"own.switch": Outcome.FAIL, "own.quiet": Outcome.FAIL}
    assert not (tmp_path / ".pytest_cache").exists()

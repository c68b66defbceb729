"""When enough has been measured, which samples count, and what makes a figure doubtful."""

from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.wasm.harness import (
    BenchmarkPlan,
    Sampled,
    _doubt,
    _enough,
    _ratios,
    run_benchmark,
)
from pytest_flowhealth.probes.wasm.memory import MemoryPhase, MemoryUse
from pytest_flowhealth.probes.wasm.node_runner import BenchmarkSubject

EFFORT = BenchmarkPlan(iterations=6, hard=15.0)


def sampled(sentinel: float = 2.0, js: float = 30.0, **fields: object) -> Sampled:
    """Return what one process measured, all of its samples alike."""
    usual = Sampled(
        js=((js, sentinel),) * 11,
        wasm=((1.0, sentinel),) * 11,
        growth={"js": 2.0, "wasm": 2.0},
        steady={"js": True, "wasm": True},
        iterations=1,
        baselines=(),
        node="v20",
    )
    return msgspec.structs.replace(usual, **fields)


def test_a_steady_load_shows_beside_what_the_host_was_before() -> None:
    found = [sampled(2.0)] * 6
    assert len(_ratios(found, None)) == 6  # within the benchmark nothing shows
    assert len(_ratios(found, 1.9)) == 6
    assert _ratios(found, 1.0) == []


def test_a_process_with_too_few_undisturbed_samples_has_no_ratio() -> None:
    disturbed = sampled(js=30.0, wasm=((1.0, 2.0),) * 4 + ((1.0, 9.0),) * 7)
    assert _ratios([sampled()] * 6 + [disturbed], None) == [30.0] * 6


@pytest.mark.parametrize(
    ("found", "seconds", "enough"),
    [
        ([], 15.0, False),  # without a single process there is nothing to tell
        ([sampled()], 15.0, True),
        ([sampled()] * 5, 1.0, False),
        ([sampled()] * 6, 1.0, True),
        ([sampled()] * 7, 1.0, False),  # not one of the counts at which it may stop
        ([sampled(js=js) for js in (20, 25, 30, 35, 40, 45)], 1.0, False),  # not precise
        ([sampled(js=20 + number) for number in range(18)], 1.0, True),
        ([sampled(iterations=0)] * 6, 1.0, False),
    ],
)
def test_processes_are_started_until_the_figure_is_precise_or_the_time_is_over(
    found: list[Sampled], seconds: float, enough: bool
) -> None:
    assert _enough(found, None, EFFORT, seconds) is enough


@pytest.mark.parametrize(
    ("ratios", "growth", "said"),
    [
        ([30.0] * 6, 2.0, None),
        ([30.0] * 5, 2.0, "only 5 of 6 processes were undisturbed"),
        ([30.0] * 6, 1.5, "twice the work took 1.50 times as long on the js side"),
        ([30.0] * 6, 3.1, "twice the work took 3.10 times as long on the js side"),
    ],
)
def test_a_figure_is_doubtful_under_load_or_if_not_the_work_was_measured(
    ratios: list[float], growth: float, said: str | None
) -> None:
    doubt = _doubt([sampled(growth={"js": growth, "wasm": 2.0})] * 6, ratios, 0.0)
    assert doubt is None if said is None else said in (doubt or "")


GROWING = tuple((call, 65_536 * call) for call in range(1, 1_001))


@pytest.mark.parametrize(
    ("steps", "leaks", "late"),
    [
        ((), False, False),
        (((0, 131_072),), False, False),  # allocated by the first call
        (((0, 131_072), (3, 196_608), (200, 262_144)), False, False),  # while it warms up
        (GROWING, True, True),
        (
            ((1, 2), (10, 4), (20, 8), (40, 16), (80, 32), (160, 64), (320, 128), (640, 256)),
            True,
            True,
        ),
        (((16, 4), (64, 16), (256, 64)), True, True),  # grows fourfold
        (((900, 131_072),), False, True),
    ],
)
def test_memory_that_grows_on_is_a_leak_in_even_and_in_geometric_steps(
    steps: tuple[tuple[int, int], ...], leaks: bool, late: bool
) -> None:
    quiet = MemoryPhase(1, 20_000, (), (0, 0))
    phase = MemoryPhase(4_096, 1_000, steps, (0, 0))
    for phases in ((phase, quiet), (quiet, phase)):
        use = MemoryUse(65_536, phases, True, (1, 1), None)
        assert (use.leaks, bool(use.late_steps)) == (leaks, late)


def test_memory_that_grew_much_until_the_calls_failed_is_a_leak() -> None:
    phase = MemoryPhase(1, 9_000, ((10, 2**20), (300, 2**28)), (0, 0))
    use = MemoryUse(65_536, (phase,), True, (1, 1), "RuntimeError: unreachable")
    assert use.leaks
    assert not msgspec.structs.replace(use, error=None).leaks


def test_a_missing_module_or_one_without_a_baseline_or_an_adapter_cannot_be_measured(
    tmp_path: Path,
) -> None:
    module = tmp_path / "engine.wasm"
    with pytest.raises(CheckFailed, match=r"engine\.wasm is not there"):
        run_benchmark(BenchmarkSubject(module, "run", tmp_path / "b.mjs"))
    module.touch()
    with pytest.raises(CheckFailed, match="needs an adapter, or an export and a baseline"):
        run_benchmark(BenchmarkSubject(module, "run"))

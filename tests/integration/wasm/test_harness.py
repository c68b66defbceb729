"""The benchmark of real modules in Node: what it measures, and what it says of modules that misbehave."""

import itertools
import shutil
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.wasm.harness import (
    Benchmark,
    BenchmarkPlan,
    run_benchmark,
)
from pytest_flowhealth.probes.wasm.interval import FEWEST
from pytest_flowhealth.probes.wasm.memory import watch_memory
from pytest_flowhealth.probes.wasm.node_runner import BenchmarkSubject
from tests.kit import wasm_modules as modules
from tests.kit.browser import processes_with

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="Node.js is not installed")

ONE_PROCESS = BenchmarkPlan(iterations=1, hard=0.0, process=60.0, rounds=5, sample=0.2, warm_up=1.0)


def measure(
    folder: Path, wat: str, baseline: str = modules.BASELINE, effort: BenchmarkPlan = ONE_PROCESS
) -> Benchmark:
    module, script = modules.write(folder, wat, baseline)
    return run_benchmark(BenchmarkSubject(module, "run", script, n=1_024), effort)


def test_a_module_is_measured_against_its_baseline_until_the_time_is_over(tmp_path: Path) -> None:
    module, script = modules.write(tmp_path, modules.XORSHIFT)
    effort = msgspec.structs.replace(ONE_PROCESS, hard=3.0)
    # The clock moves by a second with each process: the third is no longer started.
    found = run_benchmark(
        BenchmarkSubject(module, "run", script), effort, clock=itertools.count().__next__
    )
    assert found.processes == 2
    assert found.js > 0
    assert found.wasm > 0
    assert found.baselines == ("idiomatic",)
    assert found.iterations >= 2 * ONE_PROCESS.rounds * found.n
    assert found.interval is None
    assert f"{FEWEST} are needed" in (found.doubt or "")


@pytest.mark.parametrize(
    ("wat", "baseline", "said"),
    [
        (modules.XORSHIFT, "export function run() { return 7; }", "gives other results"),
        (modules.TRAPS, modules.BASELINE, "unreachable"),
        (modules.XORSHIFT, "export const other = 1;", "exports no function run"),
        (modules.XORSHIFT, "export function run( {", "SyntaxError"),
        (modules.XORSHIFT, "export function run() { throw new Error('no'); }", "Error: no"),
        ('(module (func (export "walk")))', modules.BASELINE, "it exports walk"),
        ("(module)", modules.BASELINE, "it exports none"),
        (
            '(module (import "env" "thing" (func)) (func (export "run")))',
            modules.BASELINE,
            "imports env.thing",
        ),
        (modules.STARTS_WITH_A_TRAP, modules.BASELINE, "fails while it is started: .*unreachable"),
    ],
)
def test_a_module_or_a_baseline_that_cannot_be_measured_is_named_with_the_reason(
    tmp_path: Path, wat: str, baseline: str, said: str
) -> None:
    with pytest.raises(CheckFailed, match=said):
        measure(tmp_path, wat, baseline)


def test_a_module_that_never_returns_is_ended_with_its_process(tmp_path: Path) -> None:
    effort = msgspec.structs.replace(ONE_PROCESS, process=1.0)
    with pytest.raises(CheckFailed, match="did not end within 1 s"):
        measure(tmp_path, modules.FOR_EVER, effort=effort)
    assert processes_with(str(tmp_path)) == []


def test_a_module_that_grows_without_end_is_ended(tmp_path: Path) -> None:
    effort = msgspec.structs.replace(ONE_PROCESS, process=2.0)
    with pytest.raises(CheckFailed, match=r"engine\.wasm"):
        measure(tmp_path, modules.GROWS_WITHOUT_END, effort=effort)


@pytest.mark.parametrize(
    ("wat", "leaks"),
    [(modules.GROWS, True), (modules.DOUBLES, True), (modules.GROWS_BY_NOTHING, False)],
)
def test_a_leak_is_linear_memory_that_grows_with_the_calls(
    tmp_path: Path, wat: str, leaks: bool
) -> None:
    module, script = modules.write(tmp_path, wat)
    use = watch_memory(BenchmarkSubject(module, "run", script, n=1_024), seconds=0.3, calls=1_000)
    assert use.visible
    assert (use.leaks, use.error) == (leaks, None)


@pytest.mark.parametrize("wat", [modules.WASI, modules.BEGINS_LARGE], ids=["WASI", "1.3 GB"])
def test_a_module_gets_the_imports_of_node_and_the_memory_that_it_begins_with(
    tmp_path: Path, wat: str
) -> None:
    assert measure(tmp_path, wat).wasm > 0


@pytest.mark.parametrize(
    ("pages", "bytes_a_call", "growing_calls", "leaks"),
    [
        (64, 64, 2**31 - 1, True),  # only so many small calls fill what it begins with
        (1, 400, 2_000, False),  # a pool that is filled after most of the first calls
    ],
)
def test_a_leak_is_told_from_room_that_is_left_and_from_a_pool_that_fills(
    tmp_path: Path, pages: int, bytes_a_call: int, growing_calls: int, leaks: bool
) -> None:
    wat = modules.ALLOCATES.format(pages=pages, bytes=bytes_a_call, calls=growing_calls)
    module, script = modules.write(tmp_path, wat)
    subject = BenchmarkSubject(module, "run", script, n=1_024)
    # The time is far away: the number of calls ends each phase.
    use = watch_memory(subject, seconds=60.0, calls=3_000 if not leaks else 20_000)
    assert (use.leaks, use.error) == (leaks, None)


def test_memory_is_watched_until_the_module_traps(tmp_path: Path) -> None:
    module, script = modules.write(tmp_path, modules.DOUBLES)
    use = watch_memory(BenchmarkSubject(module, "run", script), seconds=60.0)
    assert use.leaks
    assert "unreachable" in (use.error or "")


def test_memory_that_an_adapter_gives_is_watched_too(tmp_path: Path) -> None:
    module, _ = modules.write(tmp_path, modules.GROWS.replace(*modules.IMPORTED))
    adapter = tmp_path / "adapter.mjs"
    adapter.write_text(modules.ADAPTER)
    use = watch_memory(BenchmarkSubject(module, adapter=adapter), seconds=0.2, calls=100)
    assert (use.visible, use.leaks) == (True, True)


@pytest.mark.parametrize("content", [b"\0asm\2\0\0\0", b"garbage" * 50])
def test_a_file_that_is_no_module_is_named(tmp_path: Path, content: bytes) -> None:
    module, script = modules.write(tmp_path, modules.XORSHIFT)
    module.write_bytes(content)
    with pytest.raises(CheckFailed, match=r"engine\.wasm is not a module that can be run"):
        run_benchmark(BenchmarkSubject(module, "run", script, n=1_024), ONE_PROCESS)

"""What a binary shows, and that no bytes can upset its reader."""

import contextlib
from pathlib import Path

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.wasm.binary import evidence, read_evidence
from pytest_flowhealth.probes.wasm.reader import Malformed
from tests.kit import wasm_modules as modules

UNOPTIMISED = (
    '(module (func (export "run") (param i32 i32) (result i32) (local i32 i32) '
    + "(local.set 2 (i32.add (local.get 0) (local.get 1))) (local.set 3 (local.get 2))" * 5
    + "(local.get 3)))"
)


def shown(wat: str, export: str | None = "run"):
    return evidence(bytes(wasmtime.wat2wasm(wat)), export)


def test_simd_counts_in_a_loop_that_the_export_reaches() -> None:
    assert shown(modules.SIMD).simd_in_loops == 1
    decoy = shown(modules.DECOY)
    assert (decoy.simd_in_loops, decoy.simd_elsewhere) == (0, 1)
    assert shown(modules.DECOY, "decoy").simd_in_loops == 1


def test_calls_are_followed_past_imports() -> None:
    found = shown("""
(module (import "a" "b" (func)) (import "a" "m" (memory 1)) (import "a" "t" (table 1 funcref))
  (import "a" "g" (global i32))
  (func $far (param v128) (result v128) (loop $l (result v128) (f32x4.sqrt (local.get 0))))
  (func $near (result v128) (call $far (v128.const i32x4 1 2 3 4)))
  (func (export "run") (call 0) (drop (call $near)))
  (func $nobody (drop (i32.const 1))))
""")
    assert (found.functions, found.simd_in_loops) == (3, 1)


def test_unoptimised_code_is_recognised() -> None:
    assert shown(UNOPTIMISED).optimisation == "unoptimised"
    assert shown(modules.XORSHIFT).optimisation != ""
    assert "too little" in shown('(module (func (export "run")))').optimisation


def test_the_sample_is_read_and_a_missing_file_is_named(tmp_path: Path) -> None:
    path = Path(__file__).parents[4] / "examples/app/wasm/engine.wasm"
    assert read_evidence(path, "run").exports == ("run",)
    with pytest.raises(CheckFailed, match="is not there"):
        read_evidence(tmp_path / "absent.wasm", None)


ORIGINAL = wasmtime.wat2wasm(modules.SIMD)


@given(st.data())
def test_mutated_modules_raise_only_their_own_errors(data: st.DataObject) -> None:
    content = bytearray(ORIGINAL)
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    with contextlib.suppress(Malformed, NotImplementedError):
        evidence(bytes(content), "run")

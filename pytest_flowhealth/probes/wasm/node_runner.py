"""A process of Node that calls a WebAssembly export (js/bench.mjs), and what its errors mean."""

from __future__ import annotations

import json
import secrets
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes import command
from pytest_flowhealth.probes.program_errors import find_cause

MEMORY_LIMIT = "--wasm-max-mem-pages=16384"
FLAGS = ("--no-liftoff", "--no-concurrent-recompilation", MEMORY_LIMIT)
"""Without the first two the optimising compilers race the samples; the third keeps a module that
grows without end at 1 GiB. A Node that does not know one of them goes without."""


class BenchmarkSubject(msgspec.Struct, frozen=True):
    """What is measured: paths are absolute; `adapter` takes the place of `export` and `baseline`.

    Attributes:
        module: The WebAssembly binary.
        export: The function, (iterations, seed) -> checksum.
        baseline: A JavaScript module that exports a function of the same name.
        adapter: A JavaScript module with `inputs`, `wasm`, `js`, optionally `load` and `imports`.
        against: The baseline's kind: idiomatic or tuned.
        n: Iterations per call, None for 65,536 (a slower side gets fewer).
    """

    module: Path
    export: str | None = None
    baseline: Path | None = None
    adapter: Path | None = None
    against: str = "idiomatic"
    n: int | None = None


def run_process(subject: BenchmarkSubject, spec: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Run bench.mjs in Node and return what it measured.

    Raises:
        CheckFailed: The module or a baseline can't be used, or it does not end in time.
    """
    try:
        return _run_node(subject, spec, seconds, find_flags())
    except _OutOfMemory:
        # The limit may be below what the module begins with.
        flags = tuple(flag for flag in find_flags() if flag != MEMORY_LIMIT)
        return _run_node(subject, spec, seconds, flags)


def _run_node(
    subject: BenchmarkSubject, spec: dict[str, Any], seconds: float, flags: tuple[str, ...]
) -> dict[str, Any]:
    word = secrets.token_hex(16)
    script = resources.files("pytest_flowhealth.probes.wasm") / "js/bench.mjs"
    with resources.as_file(script) as path:
        argv = ["node", *flags, str(path), word, json.dumps(spec)]
        try:
            done = command.run(argv, cwd=subject.module.parent, timeout=seconds)
        except MeasurementUnavailable:
            raise CheckFailed(
                f"{subject.module.name}: one measurement did not end within {seconds:g} s: "
                "a side loops for ever, or a call takes too long",
                remedy="correct the loop, or set fewer iterations a call: [wasm] n in flowhealth.toml",
            ) from None
    return _decode(subject, word, done)


def base_spec(subject: BenchmarkSubject, n: int) -> dict[str, Any]:
    """Return the part of bench.mjs's input that names what is called, with four inputs."""
    return {
        "module": str(subject.module),
        "export": subject.export,
        "adapter": str(subject.adapter) if subject.adapter else None,
        "baseline": str(subject.baseline) if subject.baseline else None,
        "against": subject.against,
        "n": n,
        "seeds": [1, 42, 12_345, 987_654_321],
        "memoryMs": 0,
        "memoryCalls": 0,
        "memoryLate": 0,
    }


def _decode(subject: BenchmarkSubject, word: str, done: command.Completed) -> dict[str, Any]:
    lines = [line.removeprefix(word) for line in done.stdout.split("\n") if line.startswith(word)]
    if not lines:
        raise CheckFailed(
            f"{subject.module.name}: Node ended before it had measured: "
            f"{find_cause(done.stderr, done.returncode)}",
            remedy="correct what the module, its adapter or its baseline does there",
        )
    measured: dict[str, Any] = json.loads(lines[-1])
    if "error" in measured and isinstance(measured["error"], dict):
        raise _explain(subject, measured["error"], done.stderr)
    return measured


_STAGES = {
    "module": (
        "is not a module that can be run",
        "build it for Node, or give its imports: adapter",
    ),
    "start": ("fails while it is started", "correct what it does when it is instantiated"),
    "space": (
        "gets no memory to begin with",
        "build it with a smaller initial memory, or free memory on this machine",
    ),
    "export": ("can't be called", "correct [wasm] export in flowhealth.toml"),
    "wasm": (
        "fails when it is called",
        "correct it where it fails; built with debug information, its stack names the function",
    ),
    "results": (
        "gives other results than the baseline",
        "compare both for this seed: one of them is wrong",
    ),
}


def _explain(subject: BenchmarkSubject, error: dict[str, str], stderr: str) -> CheckFailed:
    stage, message = error["stage"], one_line(error["message"], 300)
    if stage in ("baseline", "js", "adapter"):
        path = subject.adapter or subject.baseline
        name = path.name if path else "the baseline"
        return CheckFailed(f"{name} can't be used: {message}", remedy=f"correct {name}")
    if stage == "wasm" and stderr.strip():
        # A panic hook, and emscripten's runtime, write the reason of a trap there.
        message = f"{message} ({find_cause(stderr)})"
    problem, remedy = _STAGES.get(stage, ("could not be measured", None))
    kind = _OutOfMemory if stage == "space" else CheckFailed
    return kind(f"{subject.module.name} {problem}: {message}", remedy=remedy)


class _OutOfMemory(CheckFailed):
    """The module was not instantiated for want of memory."""


def require_files(subject: BenchmarkSubject) -> None:
    """Raise CheckFailed unless the subject's files are there and name what is measured."""
    for path in (subject.module, subject.baseline, subject.adapter):
        if path is not None and not path.is_file():
            raise CheckFailed(f"{path.name} is not there", remedy=f"build {path.name}")
    if subject.adapter is None and (subject.export is None or subject.baseline is None):
        raise CheckFailed("a WASM benchmark needs an adapter, or an export and a baseline")


@cache
def find_flags() -> tuple[str, ...]:
    """Return those of `FLAGS` that Node knows."""
    return tuple(flag for flag in FLAGS if _known(flag))


def _known(flag: str) -> bool:
    return command.run(["node", flag, "-e", "0"], timeout=20.0).returncode == 0

"""What is to be measured: from the configuration to files."""

from __future__ import annotations

from pathlib import Path

from pytest_flowhealth.config.model import Wasm
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import NotApplicable
from pytest_flowhealth.probes.wasm.node_runner import BenchmarkSubject

SAMPLE = "sample"
"""The value of `[wasm] module` that means the module that comes with this package."""

_PACKAGE = Path(__file__).resolve().parents[2]


def find_subject(target: Target, against: str | None = None) -> BenchmarkSubject:
    """Return what `[wasm]` names; `against` another kind of baseline.

    Raises:
        NotApplicable: It names no module.
    """
    settings = target.config.wasm
    if settings.module is None:
        raise NotApplicable("no module is configured ([wasm] module in flowhealth.toml)")
    kind = against or settings.against
    if settings.module == SAMPLE:
        folder = sample_folder()
        return BenchmarkSubject(
            folder / "engine.wasm", "run", folder / "baseline.mjs", against=kind
        )
    return BenchmarkSubject(
        module=target.root / settings.module,
        export=settings.export,
        baseline=_path(target, settings, "baseline"),
        adapter=_path(target, settings, "adapter"),
        against=kind,
        n=settings.n,
    )


def sample_folder() -> Path:
    """Return the folder of the sample: in the package (wheel) or beside it (checkout)."""
    inside = _PACKAGE / "examples/app/wasm"
    return inside if inside.is_dir() else _PACKAGE.parent / "examples/app/wasm"


def _path(target: Target, settings: Wasm, name: str) -> Path | None:
    given = getattr(settings, name)
    return None if given is None else target.root / given

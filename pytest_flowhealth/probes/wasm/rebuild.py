"""Whether a committed module is what its source builds: it is built again, and the hashes compared."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pytest_flowhealth.config.files import read_bytes
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes import command
from pytest_flowhealth.probes.program_errors import find_cause
from pytest_flowhealth.probes.wasm.binary import LARGEST

OUTPUT = "{output}"
"""What stands for the file to write in the command."""


def rebuild_module(argv: Sequence[str], module: Path, root: Path, seconds: float = 120.0) -> str:
    """Build the module with `argv` in `root`, into a file of our own, and return the SHA-256 of both.

    Raises:
        CheckFailed: The module is another one than its source builds.
        MeasurementUnavailable: It could not be built: a tool is missing, or it ended with an error.
    """
    if not any(OUTPUT in part for part in argv):
        raise MeasurementUnavailable(
            f"[wasm.build] command names no {OUTPUT}, so that nothing of ours is built"
        )
    committed = _hash(module)
    with tempfile.TemporaryDirectory(prefix="flowhealth-wasm-") as folder:
        output = Path(folder) / module.name
        built = [part.replace(OUTPUT, str(output)) for part in argv]
        try:
            done = command.run(built, cwd=root, timeout=seconds)
        except CheckFailed as error:
            raise MeasurementUnavailable(f"the module can't be built: {error.message}") from None
        if done.returncode != 0 or not output.is_file():
            cause = find_cause(f"{done.stdout}\n{done.stderr}", done.returncode)
            raise MeasurementUnavailable(
                f"`{built[0]}` built no module (exit code {done.returncode}): {cause}",
                remedy=f"run it, and correct what it reports: {' '.join(argv)}",
            )
        if _hash(output) != committed:
            raise CheckFailed(
                f"{module.name} is not what its source builds: {_hash(output)[:12]} was built, "
                f"{committed[:12]} is there",
                remedy=" ".join(argv).replace(OUTPUT, module.name),
            )
    return committed


def _hash(path: Path) -> str:
    return hashlib.sha256(read_bytes(path, largest=LARGEST)).hexdigest()

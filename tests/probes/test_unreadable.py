"""What the user has no right to read is told so: it is not empty, missing, or an error of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT_RIGHTS = ("--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override")
"""Root's right to read everything, given away (setpriv(1), capabilities(7))."""

LOOK = """
import sys
from pathlib import Path
from pytest_flowhealth.config.manifest import Package, read_manifest
from pytest_flowhealth.errors import FlowHealthError
from pytest_flowhealth.probes import package
root = Path(sys.argv[1])
try:
    app = Package(root, ".", read_manifest(root / "package.json"))
    package.require_node_modules(app)
    print([one.problem for one in package.examine(app, ["thing"])])
except FlowHealthError as error:
    print(f"{type(error).__name__}: {error.message}")
"""


@pytest.mark.parametrize(
    ("closed", "said"),
    [
        ("node_modules", "CheckFailed: node_modules can't be read: Permission denied"),
        ("node_modules/thing", "thing is broken: package.json can't be read: Permission denied"),
        ("node_modules/thing/index.js", "EACCES: permission denied"),
        ("package.json", "CheckFailed: package.json can't be read: Permission denied"),
    ],
)
def test_what_may_not_be_read(tmp_path: Path, closed: str, said: str) -> None:
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root reads everything, and setpriv is not installed")
    thing = tmp_path / "node_modules/thing"
    thing.mkdir(parents=True)
    (tmp_path / "package.json").write_text('{"dependencies": {"thing": "^1"}}')
    (thing / "package.json").write_text('{"name": "thing", "version": "1.0.0"}')
    (thing / "index.js").write_text("module.exports = 1;")
    (tmp_path / closed).chmod(0)
    without = ["setpriv", *WITHOUT_RIGHTS] if os.geteuid() == 0 else []

    argv = [*without, sys.executable, "-c", LOOK, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    (tmp_path / closed).chmod(0o755)

    assert said in done.stdout, done.stdout + done.stderr

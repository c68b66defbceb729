"""Workspace patterns against the modules that npm itself contains."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.workspaces import workspaces
from tests.kit.projects import write, write_package

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")

WORKSPACES = """
Promise.all(input.patterns.map((workspaces) => lib({ cwd: input.root, pkg: { workspaces } })))
  .then((found) => done(found.map((one) => [...one.values()])));
"""


def ask_npm(module: str, program: str, **question: Any) -> Any:
    """Run a program in Node with a module that npm contains (`lib`) and a question (`input`)."""
    folder = Path(shutil.which("npm") or "").resolve().parents[1] / "node_modules" / module
    head = """
      const lib = require(process.argv[1]);
      const input = JSON.parse(require('fs').readFileSync(0, 'utf8'));
      const done = (answer) => console.log(JSON.stringify(answer));
    """
    answer = subprocess.run(
        ["node", "-e", head + program, str(folder)],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(answer.stdout)


def test_workspaces_are_those_that_npm_finds(tmp_path: Path) -> None:
    patterns = [
        ["packages/{a,b}", "apps/*"],
        ["{apps,packages}/*", "!packages/b"],
        ["**"],
        ["./packages/*/"],
        [".hidden/x", "packages/?"],
        ["*/*"],
        ["linked/*"],
        ["apps/*", "!apps/*", "apps/web"],
        ["linked-one"],
    ]
    for label in ("packages/a", "packages/b", "packages/b/inner", "apps/web", ".hidden/x"):
        write(tmp_path / label, name=label.replace("/", "-"))
    write(tmp_path / "elsewhere/deep/one", name="deep-one")
    (tmp_path / "linked-one").symlink_to("elsewhere/deep/one")
    (tmp_path / "linked").symlink_to("elsewhere/deep")

    answers = ask_npm("@npmcli/map-workspaces", WORKSPACES, root=str(tmp_path), patterns=patterns)

    for wanted, paths in zip(patterns, answers, strict=True):
        root = write_package(tmp_path, workspaces=wanted)
        found = {one.label for one in workspaces(tmp_path, root.manifest)} - {"."}
        theirs = {os.path.relpath(path, tmp_path) for path in paths}
        # Behind a link npm's ** sees nothing: we look at more, never at less.
        assert found == theirs or (wanted == ["**"] and found > theirs), wanted

"""Version ranges and workspace patterns against the modules that npm itself contains."""

import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.semver import satisfies
from pytest_flowhealth.config.workspaces import workspaces
from tests.kit.projects import write, write_package

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")

VERSIONS = [
    "0.0.0", "0.0.1", "0.0.3", "0.1.0", "0.1.2", "0.2.0", "0.2.3", "1.0.0", "1.0.1", "1.2.0", "1.2.3", "1.3.0", "1.9.9",
    "2.0.0", "2.3.4", "3.0.0", "20.20.2", "1.2.3-alpha", "1.2.3-alpha.1", "1.2.3-alpha.beta", "1.2.3-rc.11", "1.2.3-2",
    "1.3.0-pre", "2.0.0-0", "2.0.0-rc.1", "0.0.0-x", "1.2.3+build.5",
]  # fmt: skip
RANGES = [
    "==1", ">== 1", "1.2.3*", "* 0.0.0-x", ">=0.0.0 0.0.0-x", "1.2.3 - =2.0.0-rc.1", "^v=1.2", "~>=1.2.3", "^ = 1", "<x || 1",
    "", "*", "x", "X.x", ">=20", "^1.2.3", "^1.2", "^1", "^0.2.3", "^0.0.3", "^0.0", "^0", "^0.0.0", "^1.2.3-alpha.1", "~1.2.3",
    "~1.2", "~1", "~0", "~>1.2.3", "~1.2.3-alpha", "1.2.3", "=1.2.3", "v1.2.3", "= v1.2.3", "1.2", "1", "1.2.x", "1.x", "1.*", "1.2.*",
    "1.2.3 - 2.3.4", "1.2 - 2.3.4", "1.2.3 - 2.3", "1.2.3 - 2", "0 - 1", ">1.2.3", ">=1.2.3", "<1.2.3", "<=1.2.3", "> 1.2.3",
    ">1.2", ">1", ">=1.2", "<1.2", "<1", "<=1", "<=1.2", ">=1.0.0 <2.0.0", ">1 <3", "^1 || ^2", "<1.0.0 || >=2.0.0", "1.2.3||2.0.0",
    ">=1.2.3-alpha.1", ">1.2.3-alpha", "<2.0.0-rc.1", ">=2.0.0-0", "<1.2.3-2", "^2.0.0-rc.0", "1.2.3-rc.11 - 2.0.0", "^", "~", ">*", "<*",
    ">=*", "^x", "~x", ">= 18.0.0", "^18 || >=20", "^1.2.3 || ", "|| ^2", "^1.2.3 <1.3",
]  # fmt: skip
NO_RANGES = [
    "==1.2.3", ">==1.2.3", "vv1.2.3", "= =1.2.3", "1.2.3 - ==2.0.0", "1.2.3-01", f"{2**53}.0.0", f"^{2**53 - 1}",
    "banana", "1.2.3.4", "^^1", "latest", ">=1.2.3 banana", "1.2.3-", "01.2.3", "-1",
]  # fmt: skip
SEMVER = """
const { versions, ranges } = input;
done(ranges.map((r) => lib.validRange(r) === null ? null : versions.map((v) => lib.satisfies(v, r))));
"""
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


def judge(wanted: str) -> list[bool] | None:
    """Return which of `VERSIONS` are in a range, None where it is no range."""
    try:
        return [satisfies(version, wanted) for version in VERSIONS]
    except ValueError:
        return None


def test_every_pair_of_range_and_version_is_judged_as_npm_does() -> None:
    both = [" ".join(pair) for pair in itertools.product(RANGES[4:45:3], RANGES[40:60:2])]
    either = [" || ".join(pair) for pair in itertools.product(RANGES[5:60:5], RANGES[3:50:7])]
    ranges = [*RANGES, *both, *either, *NO_RANGES]

    answers = ask_npm("semver", SEMVER, versions=VERSIONS, ranges=ranges)

    ours = {wanted: judge(wanted) for wanted in ranges}
    assert ours == dict(zip(ranges, answers, strict=True))
    assert {ours[text] for text in NO_RANGES} == {None}


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

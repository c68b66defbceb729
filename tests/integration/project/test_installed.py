"""What npm really installed, against the archives in its cache."""

from __future__ import annotations

from pathlib import Path

from pytest_flowhealth.probes import installed, npm
from pytest_flowhealth.probes.installed import Comparison


def compare(root: Path) -> Comparison:
    return installed.compare(root / "node_modules", npm.cache(root))


def test_what_npm_installed_is_as_published(small: Path) -> None:
    assert compare(small) == Comparison(4)


def test_faults_in_the_root_and_in_a_workspace_are_found(small: Path) -> None:
    cut = small / "packages/one/node_modules/ms/index.js"
    cut.write_text(cut.read_text()[:100])
    broken = small / "node_modules/ms/index.js"
    broken.write_text("}" + broken.read_text())
    edited = small / "node_modules/debug/src/index.js"
    edited.write_text(edited.read_text() + "// mine")

    found = compare(small)

    assert {(one.place, one.kind) for one in found.broken} == {
        ("packages/one/node_modules/ms", "cut off"),
        ("node_modules/ms", "unparseable"),
    }
    assert [(one.file, one.kind) for one in found.altered] == [("src/index.js", "altered")]

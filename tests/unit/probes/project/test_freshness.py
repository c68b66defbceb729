"""Whether what was built is older than what it was built from."""

import os
from pathlib import Path

import pytest

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.project import freshness
from pytest_flowhealth.probes.project.source_file import SourceFile
from tests.kit.projects import write


def compared(root: Path, times: dict[str, float], *names: str) -> freshness.Comparison:
    """Write files with their times of modification, and compare the artifacts `names`."""
    for name, when in times.items():
        write(root, {name: "1"})
        os.utime(root / name, (when, when))
    packages = [root, root / "packages/one", root / "packages/two"]
    return freshness.compare_with_sources(
        [SourceFile(root / name, name) for name in names], packages, root
    )


FRESH = {"dist/index.js": 1_000, "src/a.ts": 1_000, "src/b.ts": 1_001.5}
NATIVE = {"build/a.node": 1_000, "src/a.ts": 9_000}
WORKSPACE = {"packages/one/dist/a.js": 1_000, "packages/two/src/b.ts": 9_000, "src/c.ts": 9_000}
NO_SOURCES = ("src/a.test.ts", "src/__tests__/b.ts", "src/README.md", "src/native.cc", "other/d.ts")


@pytest.mark.parametrize(
    ("times", "built", "stale"),
    [
        (FRESH, "dist/index.js", []),
        (FRESH | {"src/deep/new.ts": 5_000}, "dist/index.js", [("src/deep/new.ts", 4_000)]),
        (FRESH | {"src/new.ts": 5_000, "dist/other.js": 5_000}, "dist/index.js", []),
        (FRESH | dict.fromkeys(NO_SOURCES, 9_000), "dist/index.js", []),
        (FRESH | {"src/node_modules/c.ts": 9_000}, "dist/index.js", []),
        (
            FRESH | {"dist/b.js": 1_000, "src/b.ts": 9_000},
            "dist/index.js dist/b.js",
            [("src/b.ts", 8_000)],
        ),
        (FRESH, "index.js", None),
        (
            {".next/BUILD_ID": 1_000, "app/page.tsx": 9_000},
            ".next/BUILD_ID",
            [("app/page.tsx", 8_000)],
        ),
        ({".x/dist/src/b.js": 1_000, **FRESH}, ".x/dist/src/b.js", []),
        (NATIVE, "build/a.node", None),
        (NATIVE | {"src/a.cc": 9_000}, "build/a.node", [("src/a.cc", 8_000)]),
        (WORKSPACE | {"packages/one/src/a.ts": 1_000}, "packages/one/dist/a.js", []),
        (
            WORKSPACE | {"packages/two/dist/b.js": 1_000},
            "packages/two/dist/b.js",
            [("packages/two/src/b.ts", 8_000)],
        ),
    ],
    ids=range(13),
)
def test_an_artifact_older_than_the_sources_of_its_kind_and_package_is_stale(
    tmp_path: Path, times: dict[str, float], built: str, stale: list[tuple[str, float]] | None
) -> None:
    found = compared(tmp_path, times, *built.split())
    assert found.compared == (0 if stale is None else len(built.split()))
    assert [(one.source, one.seconds) for one in found.stale] == (stale or [])
    assert all(built.startswith(one.artifact) for one in found.stale)


def test_a_folder_of_too_many_files_is_unmeasured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness, "MAX_FILES", 2)
    times = dict.fromkeys(("dist/a.js", "src/a.ts", "src/b.ts", "src/c.ts"), 1_000.0)
    with pytest.raises(MeasurementUnavailable, match="more than 2 files"):
        compared(tmp_path, times, "dist/a.js")

"""Installing with the real npm: what works, what does not, and what is left when it is ended."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.project import NpmProject
from pytest_flowhealth.probes.registry import PackageRegistry, scratch
from pytest_flowhealth.probes.registry.install import Installed, install_packed, install_published
from tests.kit.processes import processes_below
from tests.kit.projects import write
from tests.kit.registry import RegistryFront, package_document
from tests.kit.waiting import wait_for

pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files, in which nothing may be left over."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.glob(f"{scratch.PREFIX}*")) == []


def published(root: Path, name: str, registry: str | None = None, **how: Any) -> Installed:
    project = NpmProject(write(root, name=name))
    try:
        return install_published(
            name, PackageRegistry(project, name, registry=registry).read_npmrc(), **how
        )
    finally:
        project.close()


def packed(root: Path, files: dict[str, str], **fields: Any) -> Installed:
    write(root, files, **{"name": "mine", "version": "1.2.3", **fields})
    return install_packed(root, "")


def test_a_scoped_package_without_an_entry_point_works(tmp_path: Path) -> None:
    found = published(tmp_path / "project", "@types/ms")

    assert found.works, found
    assert found.package.startswith("@types/ms@")
    assert found.notes == ("@types/ms has nothing to load",)
    assert found.packages == 1
    assert found.size > 1_000


def test_a_missing_dependency_of_a_dependency_names_who_asks_for_it(tmp_path: Path) -> None:
    missing = "@nobody-flowhealth/nothing@^1.0.0"
    documents = {
        "outer": package_document("outer", inner="^1.0.0"),
        "inner": package_document("inner", **{"@nobody-flowhealth/nothing": "^1.0.0"}),
    }
    with RegistryFront(documents=documents, unknown=["@nobody-flowhealth/nothing"]) as front:
        found = published(tmp_path / "project", "outer", front.url)

    assert found.failure is not None
    assert (found.package, found.failure.dependency) == ("outer@1.0.0", missing)
    assert found.failure.asked_by == "inner@1.0.0"


def test_a_packed_tree_is_installed_with_its_scripts_and_without_building_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", "geheim")
    out = tmp_path / "environment"
    files = {
        "index.mjs": "import 'ms'; export const a = 1;",
        "tool.mjs": "#!/usr/bin/env node\nexport {};",
    }
    own = dict.fromkeys(("prepack", "prepare", "prepublishOnly"), "touch built")

    found = packed(
        tmp_path / "project",
        files,
        exports="./index.mjs",
        bin={"tool": "tool.mjs"},
        dependencies={"ms": "^2.0.0"},
        scripts={**own, "postinstall": f"env > {out}"},
    )

    assert found.works, found
    assert (found.package, found.packages) == ("mine@1.2.3", 2)
    assert {path.name for path in (tmp_path / "project").iterdir()} == {*files, "package.json"}
    assert "geheim" not in out.read_text()
    assert f"HOME={os.environ['HOME']}\n" not in out.read_text()


def test_every_broken_entry_point_is_named(tmp_path: Path) -> None:
    files = {"index.js": "throw new Error('not today')", "tool.js": "{{"}
    found = packed(
        tmp_path / "project", files, bin={"absent": "bin/tool.js", "unparsable": "tool.js"}
    )

    assert found.failure is None
    says = ("not today", "its command absent is not there", "its command unparsable does not parse")
    assert len(found.broken) == len(says)
    for words, broken in zip(says, found.broken, strict=True):
        assert words in broken
    assert str(tmp_path) not in "".join(found.broken)


def test_a_failing_script_fails_the_installation_and_so_does_a_tree_that_is_no_package(
    tmp_path: Path,
) -> None:
    scripts = {"postinstall": "echo this is why >&2; exit 3"}
    found = packed(tmp_path / "project", {"index.js": "exports.a = 1"}, scripts=scripts)

    assert found.failure is not None
    assert "a script of mine" in found.failure.why
    assert "this is why" in found.failure.why
    with pytest.raises(CheckFailed, match="the working tree can't be packed"):
        packed(tmp_path / "project", {}, version=None)


def test_a_registry_that_hangs_or_answers_with_a_page_is_unknown(tmp_path: Path) -> None:
    with (
        RegistryFront(get="html") as front,
        pytest.raises(MeasurementUnavailable, match="could not be done"),
    ):
        published(tmp_path / "project", "express", front.url)
    with (
        RegistryFront(get="hang") as front,
        pytest.raises(MeasurementUnavailable, match="within 2 s"),
    ):
        published(tmp_path / "project", "express", front.url, seconds=2)
    # A killed process is gone a moment later: the kernel ends it, not the call.
    wait_for(lambda: not processes_below(tmp_path))


PROGRAM = """
import sys, threading
from pathlib import Path
from pytest_flowhealth.probes.registry.install import install_published
root = Path(sys.argv[1])
npmrc = f"registry={sys.argv[2]}\\n"
threading.Thread(target=install_published, args=("express", npmrc), daemon=True).start()
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["end", "kill"])
def test_nothing_is_left_when_python_ends_or_is_killed(
    tmp_path: Path, temporary: Path, how: str
) -> None:
    root = write(tmp_path / "project", name="express")
    with RegistryFront(get="hang") as front:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(root), front.url],
            env={**os.environ, "TMPDIR": str(temporary)},
            stdin=subprocess.PIPE,
        )
        wait_for(lambda: front.asked)
        assert processes_below(temporary)
        if how == "kill":
            process.send_signal(signal.SIGKILL)
        process.communicate()
        wait_for(lambda: not processes_below(temporary))
        wait_for(lambda: not list(temporary.glob(f"{scratch.PREFIX}*")))
